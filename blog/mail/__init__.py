"""Letters to members: written when they are due, sent by SMTP, tried again when the mail server is away."""
