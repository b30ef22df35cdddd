"""The knowledge base: SQLModel tables, migrations, and the books that implement the ports of domain/."""
