"""Pages for owners: numbers and switches, members, invitations, the site, its fixed pages."""
