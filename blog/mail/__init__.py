"""E-mails to members: rendered when they are due, sent by SMTP, and retried if the mail server fails."""
