"""Errors on the wire: RFC 9457 `application/problem+json`."""

from pydantic import Field

from blog.schemas.fields import Output


class ProblemField(Output):
    """One error at one place of the request. Never contains the rejected value."""

    loc: list[str | int] = Field(description="Place: `body`, `query` or `header`, then member names and indexes")
    msg: str = Field(description="Message for people")
    type: str = Field(description="Code for programs")


class Problem(Output):
    """The reason why a request failed. `errors` lists the invalid places of the request, if there are any."""

    type: str = Field(description="`about:blank`: the status has no further meaning")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="Message for people")
    instance: str = Field(description="The requested path")
    correlation_id: str = Field(description="The value of `X-Correlation-ID`, also in the server's log")
    errors: list[ProblemField] = Field(default_factory=list)
