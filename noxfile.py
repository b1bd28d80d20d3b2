"""The tests on every supported Python, and with the lowest versions that pyproject.toml allows."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests."""
    session.install("-e", ".[sim]", *nox.project.dependency_groups(nox.project.load_toml(), "test"))
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """All tests with the lowest version of every dependency that pyproject.toml allows."""
    project = nox.project.load_toml()
    declared = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["sim"],
    ]
    session.install(*[requirement.replace(">=", "==") for requirement in declared])
    session.install("-e", ".[sim]", *nox.project.dependency_groups(project, "test"))
    session.run("pytest", "-n", "2", *session.posargs)
