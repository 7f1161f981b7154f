"""Errors on the wire: RFC 9457 `application/problem+json`."""

from pydantic import Field

from blog.schemas.fields import Output


class ProblemField(Output):
    """One fault in one place of the request. The rejected value is never repeated."""

    loc: list[str | int] = Field(description="Where: `body`, `query` or `header`, then member names and indexes")
    msg: str = Field(description="A sentence for people")
    type: str = Field(description="A code for programs")


class Problem(Output):
    """Why the request was not done; `errors` is there when places of the request are to blame."""

    type: str = Field(description="`about:blank`: the title says it all")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="A sentence for people")
    instance: str = Field(description="The path that was asked for")
    correlation_id: str = Field(description="The same as in `X-Correlation-ID` and in the server's log")
    errors: list[ProblemField] = Field(default_factory=list)
