"""Where a rule does not hold, with the reason. An entry that excuses nothing any more is a finding of its own."""

from collections.abc import Mapping

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "sql_in_python": {
        "src/mainstay/platform/postgres/database.py": "opens and ends transactions, and asks whether the server answers",
        "src/mainstay/platform/postgres/transactions.py": "sets the scope in the statement that opens the transaction",
        "src/mainstay/platform/postgres/migrations.py": "runs before there is a schema, and grants by the name of a role",
        "src/mainstay/platform/postgres/posture.py": "asks the catalogue about the role, before anything else may run",
        "src/mainstay/platform/postgres/codecs.py": "asks in which schema the extension's types stand",
        "src/mainstay/platform/postgres/catalogue/facts.py": "makes names print qualified while the catalogue is read",
        "src/mainstay/platform/postgres/embedded/": "makes roles and databases of a new cluster, which take no parameters",
    },
    "sql_built": {
        "src/mainstay/platform/postgres/transactions.py": "the scope's values are UUIDs and a word, and BEGIN takes no parameters",
        "src/mainstay/platform/postgres/migrations.py": "roles are quoted by the server, and GRANT takes no parameters",
    },
    "session_setting": {
        "src/mainstay/platform/postgres/migrations.py": "its connection is its own, and is closed at the end",
    },
    "transaction_boundary": {
        "src/mainstay/platform/postgres/database.py": "the one place where requests and jobs open transactions",
        "src/mainstay/platform/postgres/migrations.py": "the one place where migrations do, each in its own",
        "src/mainstay/platform/postgres/catalogue/__init__.py": "reads the catalogue at one moment, through a connection of its caller",
    },
    "broad_handler": {
        "src/mainstay/platform/postgres/database.py": "drops a connection that cannot roll back; what came before is raised",
    },
}
