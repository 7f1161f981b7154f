"""All columns that refer to a user: what account deletion does with their rows, and which file of the export has them.

`account_deletion` and `account_export` work through this list. A test compares it with the tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

import sqlalchemy as sa

from blog.db import tables


class OnDeletion(Enum):
    """The treatment of rows that refer to a deleted user."""

    DELETE = "delete"
    KEEP = "keep"
    """The rows stay. They refer to the user's row, which then says "Deleted account"."""
    CLEAR = "clear"
    """The rows stay, with `cleared` in place of personal data."""


class ExportFile(StrEnum):
    """A file or folder in the account export."""

    PROFILE = "profile.json"
    POSTS = "posts/"
    AUTOSAVES = "autosaves.json"
    COMMENTS = "comments.json"
    MEDIA = "media.json"


class NotExported(Enum):
    """Why the export does not contain rows."""

    CREDENTIAL = "opens the account, or proves its address"
    OF_SITE = "belongs to the site, which outlives the account"
    TEMPORARY = "says nothing after a few minutes or a click"


@dataclass(frozen=True, slots=True)
class UserReference:
    """A column that contains user ids."""

    column: sa.Column[Any]
    on_deletion: OnDeletion
    export: ExportFile | NotExported
    cleared: Mapping[str, Any] = field(default_factory=dict)


_DELETE, _KEEP, _CLEAR = OnDeletion
_CREDENTIAL, _OF_SITE, _TEMPORARY = NotExported
_NOBODY_INVITED = {"note": "", "email": None, "email_folded": None, "email_status": None}
_NO_CLIENT_DETAILS = {"address": "", "user_agent": "", "data": {}}

USER_REFERENCES = (
    UserReference(tables.post_authors.c.user_id, _KEEP, ExportFile.POSTS),
    UserReference(tables.revisions.c.editor_id, _KEEP, _OF_SITE),
    UserReference(tables.revision_authors.c.user_id, _KEEP, _OF_SITE),
    UserReference(tables.comments.c.author_id, _KEEP, ExportFile.COMMENTS),
    UserReference(tables.media.c.user_id, _KEEP, ExportFile.MEDIA),
    UserReference(tables.autosaves.c.user_id, _DELETE, ExportFile.AUTOSAVES),
    UserReference(tables.editing_sessions.c.user_id, _DELETE, _TEMPORARY),
    UserReference(tables.preview_links.c.user_id, _DELETE, _TEMPORARY),
    UserReference(tables.notifications.c.user_id, _DELETE, _TEMPORARY),
    UserReference(tables.notifications.c.actor_id, _DELETE, _TEMPORARY),
    UserReference(tables.sessions.c.user_id, _DELETE, _CREDENTIAL),
    UserReference(tables.api_tokens.c.user_id, _DELETE, _CREDENTIAL),
    UserReference(tables.passkeys.c.user_id, _DELETE, _CREDENTIAL),
    UserReference(tables.two_factor.c.user_id, _DELETE, _CREDENTIAL),
    UserReference(tables.recovery_codes.c.user_id, _DELETE, _CREDENTIAL),
    UserReference(tables.email_changes.c.user_id, _DELETE, _CREDENTIAL),
    UserReference(tables.invitations.c.inviter_id, _KEEP, _OF_SITE),
    UserReference(tables.invitations.c.user_id, _CLEAR, _OF_SITE, _NOBODY_INVITED),
    UserReference(tables.audit_log.c.actor_id, _CLEAR, _OF_SITE, _NO_CLIENT_DETAILS),
    UserReference(tables.audit_log.c.subject_id, _CLEAR, _OF_SITE, _NO_CLIENT_DETAILS),
    UserReference(tables.feature_flags.c.user_id, _KEEP, _OF_SITE),
    UserReference(tables.site_preferences.c.user_id, _KEEP, _OF_SITE),
    UserReference(tables.static_pages.c.editor_id, _KEEP, _OF_SITE),
)
