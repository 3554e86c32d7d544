"""HTTP: the requests that come in between two messages, and the answers that go out."""
