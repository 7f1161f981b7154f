"""Schemas of invitations to create an account."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from blog.schemas.accounts import Email, Role
from blog.schemas.fields import NORMALISED, Input, Line, Output, integral


class InvitationStatus(StrEnum):
    """The state of an invitation. Only the link of an open one works."""

    OPEN = "open"
    USED = "used"
    REVOKED = "revoked"
    EXPIRED = "expired"


class EmailStatus(StrEnum):
    """The state of the e-mail with an invitation link: waiting, refused for now, accepted by the mail server, or given up."""

    QUEUED = "queued"
    DELAYED = "delayed"
    SENT = "sent"
    FAILED = "failed"


class NewInvitation(Input):
    """An invitation link for one account, valid for `days`; only owners see `note`."""

    role: Role
    email: Email | None = Field(
        default=None, description="The link is sent to this address, and the account gets it. Absent: a link for anyone"
    )
    note: Annotated[Line, StringConstraints(max_length=200), NORMALISED] = ""
    days: Annotated[int, Field(ge=1, le=90), BeforeValidator(integral)] = 7


class InvitationOut(Output):
    """An invitation, as shown to owners."""

    id: int
    role: Role
    email: str | None = Field(description="null for a link for anyone, and once the invitation was used or revoked")
    email_status: EmailStatus | None = Field(
        description="State of the e-mail with the link; null if none was to be sent, as without a mail server"
    )
    note: str
    status: InvitationStatus
    inviter: str = Field(description="The username of the owner")
    accepted_by: str | None = Field(description="The username of the account that was created")
    created_at: dt.datetime
    expires_at: dt.datetime
    url: str | None = Field(
        description="The link, to pass on; null if it has ended, or if only an e-mail has it, so that using it proves the address"
    )
