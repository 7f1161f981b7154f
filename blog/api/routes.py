"""The routes of the JSON API, mounted at /api/v1."""

from starlette.routing import Route

from blog.api.authors import AuthorList
from blog.api.bookmarks import BookmarkList
from blog.api.comments import CommentDetail, CommentList
from blog.api.events import EventList, EventStream
from blog.api.flags import FlagDetail, FlagList
from blog.api.invitations import InvitationDetail, InvitationList, InvitationResend
from blog.api.media import MediaDetail, MediaList
from blog.api.members import UserPasswordLink, UserPostTransfer, UserSessions, UserSuspension
from blog.api.pages import StaticPageDetail, StaticPageList
from blog.api.posts import PostAuthorship, PostDetail, PostList, PostUndelete
from blog.api.revisions import RevisionDetail, RevisionList, RevisionRestore
from blog.api.tags import TagDetail, TagList, TagMerging
from blog.api.tokens import TokenDetail, TokenList
from blog.api.users import CurrentUser, UserComments, UserDetail, UserList, UserPosts

routes = [
    Route("/posts", PostList, name="posts"),
    Route("/posts/{id:id}", PostDetail, name="post"),
    Route("/posts/{id:id}/undelete", PostUndelete, name="post_undelete"),
    Route("/posts/{id:id}/authors/me", PostAuthorship, name="post_authorship"),
    Route("/posts/{id:id}/comments", CommentList, name="post_comments"),
    Route("/posts/{id:id}/revisions", RevisionList, name="revisions"),
    Route("/posts/{id:id}/revisions/{version:id}", RevisionDetail, name="revision"),
    Route("/posts/{id:id}/revisions/{version:id}/restore", RevisionRestore, name="revision_restore"),
    Route("/comments/{id:id}", CommentDetail, name="comment"),
    Route("/pages", StaticPageList, name="pages"),
    Route("/pages/{id:id}", StaticPageDetail, name="page"),
    Route("/media", MediaList, name="media"),
    Route("/media/{id:id}", MediaDetail, name="media_item"),
    Route("/bookmarks", BookmarkList, name="bookmarks"),
    Route("/flags", FlagList, name="flags"),
    Route("/flags/{name}", FlagDetail, name="flag"),
    Route("/events", EventList, name="events"),
    Route("/events/stream", EventStream, name="event_stream"),
    Route("/tags", TagList, name="tags"),
    Route("/tags/{slug:path}/merge", TagMerging, name="tag_merge"),
    Route("/tags/{slug:path}", TagDetail, name="tag"),  # a tag may hold a slash
    Route("/authors", AuthorList, name="authors"),
    Route("/users", UserList, name="users"),
    Route("/users/me", CurrentUser, name="current_user"),
    Route("/users/{id:id}", UserDetail, name="user"),
    Route("/users/{id:id}/posts", UserPosts, name="user_posts"),
    Route("/users/{id:id}/comments", UserComments, name="user_comments"),
    Route("/users/{id:id}/posts/transfer", UserPostTransfer, name="user_post_transfer"),
    Route("/users/{id:id}/sessions", UserSessions, name="user_sessions"),
    Route("/users/{id:id}/password-link", UserPasswordLink, name="user_password_link"),
    Route("/users/{id:id}/suspension", UserSuspension, name="user_suspension"),
    Route("/invitations", InvitationList, name="invitations"),
    Route("/invitations/{id:id}", InvitationDetail, name="invitation"),
    Route("/invitations/{id:id}/resend", InvitationResend, name="invitation_resend"),
    Route("/tokens", TokenList, name="tokens"),
    Route("/tokens/{id:id}", TokenDetail, name="token"),
]
