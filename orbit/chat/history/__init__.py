"""What a client's earlier turns leave for its next: conversations and stored responses."""
