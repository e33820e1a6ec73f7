"""What requests and answers about people hold: their names, and invitations."""
