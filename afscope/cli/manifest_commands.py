"""The command that prints the recorder for a cluster: manifest."""

from typing import Annotated

import typer

from afscope import __version__
from afscope.cli.options import RECORD, seconds, size
from afscope.cli.output import emit, message
from afscope.errors import UsageError

_SECRET = "NAME:KEY"  # noqa: S105  (the form of an option)


def manifest(
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", metavar="NS", help="A namespace to record; repeatable. Default: all."),
    ] = None,
    home: Annotated[
        str, typer.Option(metavar="NS", help="Where it runs, and the Secrets are; default: first -n.")
    ] = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="Of everything that is made.")] = "afscope",
    image: Annotated[str, typer.Option(metavar="IMAGE", help="An image with afscope in it.")] = "",
    db_secret: Annotated[
        str, typer.Option(metavar=_SECRET, help="Holds the URL of the Airflow DB; '' for none.")
    ] = "airflow-metadata:connection",  # noqa: S107  (the official chart's Secret, by name)
    broker_secret: Annotated[str, typer.Option(metavar=_SECRET, help="Holds the URL of the Celery broker.")] = "",
    db_via: Annotated[str, typer.Option(metavar="svc/NAME:PORT", help="Reach the DB through the Kubernetes API.")] = "",
    retain: Annotated[str, typer.Option(metavar="24h", help="Ring: keep about this much time.")] = "24h",
    max_bytes: Annotated[str, typer.Option(metavar="SIZE", help="Ring: drop the oldest above this size.")] = "2GiB",
    storage: Annotated[str, typer.Option(metavar="SIZE", help="Size of the volume; '' for none.")] = "10Gi",
    logs: Annotated[bool, typer.Option("--logs/--no-logs", help="May read logs of pods.")] = True,
) -> None:
    """Prints YAML of a recorder that runs in the cluster, with the rights it needs: pipe it into kubectl apply -f -."""
    if seconds("--retain", retain) is None or size("--max-bytes", max_bytes) is None:
        raise UsageError("--retain and --max-bytes must be given: without a bound the volume fills")

    from afscope.capture.kube.endpoint import Goal
    from afscope.capture.kube.manifest import Installation
    from afscope.capture.kube.manifest import manifest as documents

    namespaces = tuple(namespace or ())
    home = home or (namespaces[0] if namespaces else "airflow")
    if db_via:
        Goal.parse(db_via, namespace=home)
    wanted = Installation(
        namespaces=namespaces, home=home, name=name, image=image or f"afscope:{__version__}", db_secret=db_secret,
        broker_secret=broker_secret, db_via=db_via, retain=retain, max_bytes=max_bytes, storage=storage, logs=logs,
    )  # fmt: skip
    emit(documents(wanted).rstrip("\n"))
    if not image:
        message(
            f"note: no image is published; build afscope:{__version__} (docs/capture.md), or name yours with --image"
        )


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(rich_help_panel=RECORD)(manifest)
