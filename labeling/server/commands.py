"""The server commands of `boxwise`. Each takes its arguments and returns an exit code; none imports torch."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from labeling.server import processes
from labeling.server.environment import CHECKOUT
from labeling.server.instance import Instance
from labeling.server.postgres import CannotStart
from labeling.server.supervisor import Child, Supervisor, say
from labeling.server.surroundings import BadSurroundings

ENTERED = "BOXWISE_ENTERED"  # set in a command that has the account and the environment of its instance already
STOP_WITHIN = 10.0  # seconds until `boxwise stop` gives up waiting; the supervisor itself takes 5


def up(argv: list[str]) -> int:
    """Start everything and keep it running until Ctrl-C."""
    argparse.ArgumentParser("boxwise up", description=up.__doc__).parse_args(argv)
    return _supervise(Instance.from_environment())


def demo(argv: list[str]) -> int:
    """Start everything with the demo project loaded."""
    parser = argparse.ArgumentParser("boxwise demo", description=demo.__doc__)
    parser.add_argument(
        "--data", metavar="DIR", help="load this data set, or the zip of an export, instead (docs/demo.md)"
    )
    arguments = parser.parse_args(argv)
    instance = Instance.from_environment()
    command = [str(instance.python), str(CHECKOUT / "manage.py"), "load_demo"]
    if arguments.data:
        folder = Path(arguments.data).expanduser().absolute()
        if not folder.exists():
            print(f"There is no folder or zip {folder} to load (DATA).", file=sys.stderr)
            return 1
        account = instance.account
        closed = processes.unreachable_for(account, folder) if account else None
        if account and (closed or not account.can("-r", folder)):
            print(
                f"As root, Boxwise runs as user {account.name}, who cannot read {closed or folder} (DATA): copy the "
                "folder to where everybody can read it, or start Boxwise as an ordinary user.",
                file=sys.stderr,
            )
            return 1
        command += ["--data", str(folder)]
    return _supervise(instance, after_start=command)


def dev(argv: list[str]) -> int:
    """Start everything for developers: errors in the browser, restart on changed Python, front end rebuilt."""
    argparse.ArgumentParser("boxwise dev", description=dev.__doc__).parse_args(argv)
    extra = []
    vite = CHECKOUT / "frontend" / "node_modules" / "vite" / "bin" / "vite.js"
    if vite.exists():
        # Vite itself and not `npm run`: npm puts a shell between us and the process that has to be ended.
        node = Path(sys.executable).with_name("node")
        extra.append(Child("frontend", lambda log: _watch_frontend(node, vite, log)))
    return _supervise(Instance.from_environment(debug=True), extra=extra, reload=True)


def stop(argv: list[str]) -> int:
    """Stop the running instance of this data directory."""
    argparse.ArgumentParser("boxwise stop", description=stop.__doc__).parse_args(argv)
    instance = Instance.from_environment()
    holder = instance.holder()
    if not holder:
        print(f"No Boxwise is running in {instance.folder}.")
        return 0
    try:
        os.kill(holder["pid"], signal.SIGTERM)
    except PermissionError:
        print(f"The Boxwise in {instance.folder} (process {holder['pid']}) belongs to another user.", file=sys.stderr)
        return 1
    except ProcessLookupError:
        pass
    end = time.monotonic() + STOP_WITHIN
    while instance.holder() is not None:
        if time.monotonic() > end:
            print(f"Process {holder['pid']} does not stop; see {instance.logs}, then end it by hand.", file=sys.stderr)
            return 1
        time.sleep(0.05)
    print(f"Stopped the Boxwise at {holder['address']}.")
    return 0


def manage(argv: list[str]) -> int:
    """Run one of Django's management commands on this data directory, for example `boxwise manage shell`."""
    enter(Instance.from_environment(), "manage", argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["boxwise manage", *argv])
    return 0


def password(argv: list[str]) -> int:
    """Give somebody a new password and show it once; the instance must be running."""
    from labeling.server import prepare

    parser = argparse.ArgumentParser("boxwise password", description=password.__doc__)
    parser.add_argument("username", nargs="?", default=prepare.ADMINISTRATOR)
    parser.add_argument("--remove-factors", action="store_true", help="for an administrator who has lost all of them")
    arguments = parser.parse_args(argv)
    username = arguments.username
    enter(Instance.from_environment(), "password", argv)
    import django
    from django.contrib.auth import get_user_model
    from django.core.exceptions import ObjectDoesNotExist
    from django.db import OperationalError, ProgrammingError

    django.setup()
    try:
        new = prepare.reset_password(username, removes_factors=arguments.remove_factors)
    except ObjectDoesNotExist:
        names = ", ".join(get_user_model().objects.values_list("username", flat=True).order_by("username")[:20])
        print(f"There is nobody called {username}; there are: {names or 'no people yet'}.", file=sys.stderr)
        return 1
    except (OperationalError, ProgrammingError):
        print("The database does not answer: start Boxwise first (`boxwise up`), then try again.", file=sys.stderr)
        return 1
    print(f"{username} signs in with password {new} (shown only now).")
    return 0


def doctor(argv: list[str]) -> int:
    """Look after everything that can go wrong, say what is, and mend what is safe (--mend)."""
    enter(Instance.from_environment(), "doctor", argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["boxwise", "doctor", *argv])
    return 0


def check(argv: list[str]) -> int:
    """Look for mistakes in the settings, with --deploy for what a server for people should have."""
    enter(Instance.from_environment(), "check", argv)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["boxwise", "check", *argv])
    return 0


def enter(instance: Instance, command: str, argv: list[str]) -> None:
    """Give this process the environment that the processes of the instance have, and as root also their account.

    Root would leave files behind that they cannot change. The account may not be able to read our Python any further,
    so the command begins anew, as the account and with the Python that it can reach.
    """
    if os.environ.pop(ENTERED, ""):
        return
    if not instance.folder.is_dir() or not (instance.folder / "secrets").exists():
        print(f"There is no Boxwise in {instance.folder} yet: boxwise up makes one.", file=sys.stderr)
        raise SystemExit(0 if {"-h", "--help"} & set(argv) else 1)
    given = instance.environment()  # reads the secrets, which the account may not
    if instance.account is None:
        os.environ.update(given)
        return
    python = str(instance.python)
    call = f"import sys; from labeling.server import commands; sys.exit(commands.{command}(sys.argv[1:]))"
    os.chdir(CHECKOUT)
    instance.account.become()
    os.execve(python, [python, "-c", call, *argv], given | {ENTERED: "1"})  # noqa: S606 (our own Python)


def _supervise(
    instance: Instance, *, after_start: list[str] | None = None, extra: list[Child] | None = None, reload: bool = False
) -> int:
    """Check the surroundings, then run; what is wrong is told in one sentence and exit code 1."""
    try:
        instance.check_surroundings()
        return Supervisor(instance, after_start=after_start, extra=extra or [], reload=reload).run()
    except (BadSurroundings, CannotStart) as error:
        print(f"\nBoxwise did not start. {error}", file=sys.stderr)
        return 1
    except Exception:
        say("The supervisor met a fault of its own; every process was stopped.")
        raise


def _watch_frontend(node: Path, vite: Path, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return processes.spawn([node, vite, "build", "--watch"], log=file, cwd=CHECKOUT / "frontend")
