"""The routes of the HTML interface, in the order of matching."""

from starlette.routing import Mount, Route, Router

from blog.web.accounts.account_data import AccountDeletedPage, DeleteAccountPage, ExportPage
from blog.web.accounts.passkeys import NewPasskeyPage, PasskeyRemovalPage, PasskeySignIn
from blog.web.accounts.password_reset import ResetPasswordPage
from blog.web.accounts.profile import (
    AccountPage,
    AvatarPage,
    AvatarRemoval,
    EmailCancellation,
    EmailConfirmationPage,
    EmailPage,
    PasswordPage,
)
from blog.web.accounts.reauthentication import ReauthenticationPage
from blog.web.accounts.registration import InvitationPage, RegistrationPage, SetPasswordPage, SetupPage
from blog.web.accounts.sessions import SessionList, SessionRevocation
from blog.web.accounts.sign_in import SignInCodePage, SignInPage, SignOut
from blog.web.accounts.tokens import TokenList, TokenRevocation
from blog.web.accounts.two_factor import RecoveryCodes, SecurityPage, TwoFactorDisable, TwoFactorEnable, TwoFactorPage
from blog.web.admin.appearance import AppearanceExport, AppearanceImport, AppearancePage, AppearanceUndo
from blog.web.admin.audit import AuditPage
from blog.web.admin.dashboard import AdminDashboard, FlagSwitch
from blog.web.admin.invitations import InvitationList, InvitationResend, InvitationRevocation
from blog.web.admin.members import (
    MemberDeletionPage,
    MemberPage,
    MemberPasswordLink,
    MemberPostTransfer,
    MemberReinstatement,
    MemberSignOut,
    MemberSuspension,
)
from blog.web.admin.post_views import PostViewsPage
from blog.web.admin.site import SitePage
from blog.web.admin.tags import TagDeletionPage, TagEditPage, TagMergePage
from blog.web.admin.tags import TagListPage as AdminTagListPage
from blog.web.admin.users import UserList
from blog.web.comments.comments import CommentEditPage, CommentList, CommentRemovalPage, CommentRestore, ReplyPage
from blog.web.comments.guests import GuestCommentPage
from blog.web.comments.moderation import ModerationPage
from blog.web.comments.notifications import NotificationList
from blog.web.discovery.feeds import AuthorFeed, BlogFeed, SearchFeed, TagFeed
from blog.web.discovery.oembed import OEmbed
from blog.web.discovery.opensearch import OpenSearch
from blog.web.discovery.robots import Robots
from blog.web.discovery.sitemap import Sitemap, SitemapFile
from blog.web.media.item import MediaDeletion, MediaItemPage, MediaReplacement
from blog.web.media.library import MediaLibrary
from blog.web.posts.authorship import PostLeave
from blog.web.posts.autosave import AutosaveDiscard, NewPostAutosave, NewPostPreview, PostAutosave, PostPreview
from blog.web.posts.editor import Dashboard, DeletePostPage, EditPostPage, NewPostPage
from blog.web.posts.feature_image import NewPostImage, PostImage
from blog.web.posts.history import ComparisonPage, HistoryPage, VersionPage, VersionRestore
from blog.web.posts.management import AllPostsPage, OwnPostsPage
from blog.web.posts.presence import PostPresence
from blog.web.posts.preview_links import PreviewLinkList, PreviewLinkRevocation, PreviewPage
from blog.web.posts.publication import PostStatusChange, PostUndelete, PublishPage
from blog.web.posts.reading import ArchivePage, AuthorPage, HomePage, PostPage, SearchPage, TagListPage, TagPage
from blog.web.posts.social_card import PostCard
from blog.web.rendering.accent_styles import AccentStylesheet
from blog.web.rendering.custom_styles import CustomStylesheet
from blog.web.rendering.theme import ThemeSwitch
from blog.web.site.page_editor import (
    EditStaticPage,
    NewPageAutosave,
    NewPagePreview,
    NewStaticPage,
    PageAutosave,
    PagePreview,
)
from blog.web.site.page_publication import PublishStaticPage, UnpublishStaticPage
from blog.web.site.static_pages import DeleteStaticPage, StaticPageList, StaticPageView

account_routes = [
    Route("/email", EmailPage, name="account_email"),
    Route("/email/cancel", EmailCancellation, name="account_email_cancel"),
    Route("/email/{secret}", EmailConfirmationPage, name="account_email_confirm"),
    Route("/password", PasswordPage, name="account_password"),
    Route("/avatar", AvatarPage, name="account_avatar"),
    Route("/avatar/remove", AvatarRemoval, name="account_avatar_remove"),
    Route("/sessions", SessionList, name="account_sessions"),
    Route("/sessions/{key}", SessionRevocation, name="account_session"),
    Route("/tokens", TokenList, name="account_tokens"),
    Route("/tokens/{id:id}", TokenRevocation, name="account_token"),
    Route("/security", SecurityPage, name="account_security"),
    Route("/two-factor", TwoFactorPage, name="account_two_factor"),
    Route("/two-factor/enable", TwoFactorEnable, name="account_two_factor_enable"),
    Route("/two-factor/disable", TwoFactorDisable, name="account_two_factor_disable"),
    Route("/two-factor/recovery-codes", RecoveryCodes, name="account_recovery_codes"),
    Route("/passkeys/new", NewPasskeyPage, name="account_passkey_new"),
    Route("/passkeys/{id:id}/remove", PasskeyRemovalPage, name="account_passkey_remove"),
    Route("/confirm", ReauthenticationPage, name="account_confirm"),
    Route("/export", ExportPage, name="account_export"),
    Route("/delete", DeleteAccountPage, name="account_delete"),
    Route("/deleted", AccountDeletedPage, name="account_deleted"),
]

admin_routes = [
    Route("/posts", AllPostsPage, name="admin_posts"),
    Route("/tags", AdminTagListPage, name="admin_tags"),
    Route("/tags/{id:id}", TagEditPage, name="admin_tag"),
    Route("/tags/{id:id}/merge", TagMergePage, name="admin_tag_merge"),
    Route("/tags/{id:id}/delete", TagDeletionPage, name="admin_tag_delete"),
    Route("/flags/{name}", FlagSwitch, name="admin_flag"),
    Route("/members", UserList, name="admin_members"),
    Route("/members/{id:id}", MemberPage, name="admin_member"),
    Route("/members/{id:id}/suspend", MemberSuspension, name="admin_member_suspend"),
    Route("/members/{id:id}/unsuspend", MemberReinstatement, name="admin_member_unsuspend"),
    Route("/members/{id:id}/sign-out", MemberSignOut, name="admin_member_sign_out"),
    Route("/members/{id:id}/password-link", MemberPasswordLink, name="admin_member_password_link"),
    Route("/members/{id:id}/posts", MemberPostTransfer, name="admin_member_posts"),
    Route("/members/{id:id}/delete", MemberDeletionPage, name="admin_member_delete"),
    Route("/invitations", InvitationList, name="admin_invitations"),
    Route("/invitations/{id:id}/resend", InvitationResend, name="admin_invitation_resend"),
    Route("/invitations/{id:id}/revoke", InvitationRevocation, name="admin_invitation_revoke"),
    Route("/audit", AuditPage, name="admin_audit"),
    Route("/site", SitePage, name="admin_site"),
    Route("/appearance", AppearancePage, name="admin_appearance"),
    Route("/appearance/undo", AppearanceUndo, name="admin_appearance_undo"),
    Route("/appearance/export", AppearanceExport, name="admin_appearance_export"),
    Route("/appearance/import", AppearanceImport, name="admin_appearance_import"),
    Route("/pages", StaticPageList, name="admin_pages"),
    Route("/pages/new", NewStaticPage, name="admin_page_new"),
    Route("/pages/new/autosave", NewPageAutosave, name="admin_page_new_autosave"),
    Route("/pages/new/preview", NewPagePreview, name="admin_page_new_preview"),
    Route("/pages/{id:id}", EditStaticPage, name="admin_page"),
    Route("/pages/{id:id}/autosave", PageAutosave, name="admin_page_autosave"),
    Route("/pages/{id:id}/preview", PagePreview, name="admin_page_preview"),
    Route("/pages/{id:id}/publish", PublishStaticPage, name="admin_page_publish"),
    Route("/pages/{id:id}/unpublish", UnpublishStaticPage, name="admin_page_unpublish"),
    Route("/pages/{id:id}/delete", DeleteStaticPage, name="admin_page_delete"),
]

routes = [
    Route("/", HomePage, name="home"),
    Route("/posts/{slug}", PostPage, name="post"),
    Route("/posts/{slug}/card.png", PostCard, name="post_card"),
    Route("/posts/{slug}/edit", EditPostPage, name="post_edit"),
    Route("/posts/{slug}/edit/preview", PostPreview, name="post_edit_preview"),
    Route("/posts/{slug}/edit/feature-image", PostImage, name="post_edit_image"),
    Route("/posts/{slug}/autosave", PostAutosave, name="post_autosave"),
    Route("/posts/{slug}/delete", DeletePostPage, name="post_delete"),
    Route("/posts/{slug}/comments", CommentList, name="post_comments"),
    Route("/posts/{slug}/guest-comment", GuestCommentPage, name="guest_comment"),
    Route("/posts/{slug}/presence", PostPresence, name="post_presence"),
    Route("/posts/{slug}/history", HistoryPage, name="post_history"),
    Route("/posts/{slug}/history/diff", ComparisonPage, name="post_diff"),
    Route("/posts/{slug}/history/{version:id}", VersionPage, name="post_version"),
    Route("/posts/{slug}/history/{version:id}/restore", VersionRestore, name="post_restore"),
    Route("/posts/{slug}/views", PostViewsPage, name="post_views"),
    Route("/posts/{slug}/previews", PreviewLinkList, name="post_previews"),
    Route("/posts/{slug}/previews/{id:id}/revoke", PreviewLinkRevocation, name="preview_revoke"),
    Route("/posts/{slug}/publish", PublishPage, name="post_publish"),
    Route("/posts/{slug}/status", PostStatusChange, name="post_status"),
    Route("/posts/{slug}/leave", PostLeave, name="post_leave"),
    Route("/posts/{id:id}/undelete", PostUndelete, name="post_undelete"),
    Route("/preview/{secret}", PreviewPage, name="preview"),
    Route("/comments/{id:id}/edit", CommentEditPage, name="comment_edit"),
    Route("/comments/{id:id}/reply", ReplyPage, name="comment_reply"),
    Route("/comments/{id:id}/remove", CommentRemovalPage, name="comment_remove"),
    Route("/comments/{id:id}/restore", CommentRestore, name="comment_restore"),
    Route("/moderation", ModerationPage, name="moderation"),
    Route("/notifications", NotificationList, name="notifications"),
    Route("/tags", TagListPage, name="tags"),
    Route("/tags/{tag:path}/feed.{format:feed}", TagFeed, name="tag_feed"),
    Route("/tags/{tag:path}", TagPage, name="tag"),  # a tag may hold a slash
    Route("/authors/{username}", AuthorPage, name="author"),
    Route("/authors/{username}/feed.{format:feed}", AuthorFeed, name="author_feed"),
    Route("/archive", ArchivePage, name="archive"),
    Route("/search", SearchPage, name="search"),
    Route("/search/feed.{format:feed}", SearchFeed, name="search_feed"),
    Route("/feed.{format:feed}", BlogFeed, name="feed"),
    Route("/register", RegistrationPage, name="register"),
    Route("/login", SignInPage, name="login"),
    Route("/login/code", SignInCodePage, name="login_code"),
    Route("/login/passkey", PasskeySignIn, name="login_passkey"),
    Route("/reset-password", ResetPasswordPage, name="reset_password"),
    Route("/logout", SignOut, name="logout"),
    Route("/account", AccountPage, name="account"),
    Mount("/account", Router(account_routes, redirect_slashes=False)),
    Route("/write", NewPostPage, name="write"),
    Route("/write/preview", NewPostPreview, name="write_preview"),
    Route("/write/feature-image", NewPostImage, name="write_image"),
    Route("/write/autosave", NewPostAutosave, name="write_autosave"),
    Route("/autosaves/{id:id}/discard", AutosaveDiscard, name="autosave_discard"),
    Route("/media-library", MediaLibrary, name="media_library"),
    Route("/media-library/{id:id}", MediaItemPage, name="media_item"),
    Route("/media-library/{id:id}/replace", MediaReplacement, name="media_item_replace"),
    Route("/media-library/{id:id}/delete", MediaDeletion, name="media_item_delete"),
    Route("/dashboard", Dashboard, name="dashboard"),
    Route("/dashboard/posts", OwnPostsPage, name="dashboard_posts"),
    Route("/admin", AdminDashboard, name="admin"),
    Mount("/admin", Router(admin_routes, redirect_slashes=False)),
    Route("/setup/{secret}", SetupPage, name="setup"),
    Route("/set-password/{secret}", SetPasswordPage, name="set_password"),
    Route("/theme", ThemeSwitch, name="theme"),
    Route("/robots.txt", Robots, name="robots"),
    Route("/sitemap.xml", Sitemap, name="sitemap"),
    Route("/sitemap-{kind}-{number:id}.xml", SitemapFile, name="sitemap_part"),
    Route("/opensearch.xml", OpenSearch, name="opensearch"),
    Route("/oembed", OEmbed, name="oembed"),
    Route("/invitation/{secret}", InvitationPage, name="invitation"),
    Route("/theme.css", AccentStylesheet, name="theme_css"),
    Route("/custom.css", CustomStylesheet, name="custom_css"),
    Route("/{slug}", StaticPageView, name="static_page"),  # matches any single segment: last
]
