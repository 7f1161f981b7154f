"""The routes of the pages."""

from starlette.routing import Route

from blog.web.accounts import (
    AccountPage,
    PasswordPage,
    RegistrationPage,
    SetPasswordPage,
    SetupPage,
    SignInPage,
    SignOut,
)
from blog.web.administration import AdministrationPage, FlagSwitch
from blog.web.comments import CommentEditPage, CommentList, CommentRemovalPage, CommentRestoration, ReplyPage
from blog.web.reading import ArchivePage, AuthorPage, HomePage, PostPage, Robots, SearchPage, TagListPage, TagPage
from blog.web.theme import ThemeSwitch
from blog.web.writing import Dashboard, DeletePostPage, EditPostPage, WritePage

routes = [
    Route("/", HomePage, name="home"),
    Route("/posts/{slug}", PostPage, name="post"),
    Route("/posts/{slug}/edit", EditPostPage, name="post_edit"),
    Route("/posts/{slug}/delete", DeletePostPage, name="post_delete"),
    Route("/posts/{slug}/comments", CommentList, name="comment"),
    Route("/comments/{id:id}/edit", CommentEditPage, name="comment_edit"),
    Route("/comments/{id:id}/reply", ReplyPage, name="comment_reply"),
    Route("/comments/{id:id}/remove", CommentRemovalPage, name="comment_remove"),
    Route("/comments/{id:id}/restore", CommentRestoration, name="comment_restore"),
    Route("/tags", TagListPage, name="tags"),
    Route("/tags/{tag:path}", TagPage, name="tag"),  # a tag may hold a slash
    Route("/authors/{username}", AuthorPage, name="author"),
    Route("/archive", ArchivePage, name="archive"),
    Route("/search", SearchPage, name="search"),
    Route("/register", RegistrationPage, name="register"),
    Route("/login", SignInPage, name="login"),
    Route("/logout", SignOut, name="logout"),
    Route("/account", AccountPage, name="account"),
    Route("/account/password", PasswordPage, name="account_password"),
    Route("/write", WritePage, name="write"),
    Route("/dashboard", Dashboard, name="dashboard"),
    Route("/admin", AdministrationPage, name="admin"),
    Route("/admin/flags/{name}", FlagSwitch, name="flag"),
    Route("/setup/{secret}", SetupPage, name="setup"),
    Route("/set-password/{secret}", SetPasswordPage, name="set_password"),
    Route("/theme", ThemeSwitch, name="theme"),
    Route("/robots.txt", Robots, name="robots"),
]
