"""Check pose page: compares a real arm with its model in three poses, and corrects the zeros of its joints."""
