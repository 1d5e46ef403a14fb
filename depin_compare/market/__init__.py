"""What is offered, and was: names, offers, facts about networks, and the store of snapshots."""
