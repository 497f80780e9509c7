"""Random sequences of what a user may do to a clone, with both tools, compared with an oracle after each operation."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from project import REMOVED, Project, edit_params
from stand_ins import Oracle

from intaglio.chain.code_files import STEPS
from intaglio.chain.stages import PARAMS

SETTINGS = {
    "seed": (0, 1),
    "recipes.full.epochs": (3, 4),
    "recipes.few_labels.label_smoothing": (0.1, 0.2),
    "data.digits.per_class": (5, 6),
    "export.opset": (20, 21),
    "verify.max_difference": (0.001, 0.002),
    "report.samples": (24, 3),
    "train.base.size": (28, 14),
}
ROWS = {
    "finetune.tuned": {"start": "base", "data": "digits", "recipe": "few_labels", "freeze": "none"},
    "train.other": {"data": "digits", "model": "small", "recipe": "few_labels"},
}
# DVC protects each output for a moment while it records it, of which a Snakemake that starts just then complains first.
REJECTED = ("a run is active", "is busy", "Unable to acquire lock", "Write-protected output files")
# More than any command takes, on a busy machine too.
LIMIT = 1200.0


class Fault(AssertionError):
    """Something that must not happen."""


class Sequence:
    """One sequence, in a clone of its own; all that is random follows from the seed."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project, self.root = project, project.root
        self.random = random.Random(seed)
        self.oracle = Oracle(project)
        self.done: list[str] = [f"seed {seed}"]
        self.start = len(self.oracle.computed())
        self.excused: Counter[tuple[str, ...]] = Counter()

    def run(self, operations: int) -> None:
        """Do some operations, and then whatever is left to do.

        Raises:
            Fault: with all that was done until then.
        """
        for _ in range(operations):
            self.step(self.random.choices(list(OPERATIONS), list(OPERATIONS.values()))[0])
        for operation in (Sequence.run_snakemake, Sequence.run_dvc)[:: self.random.choice((1, -1))]:
            self.step(operation)
        self.check(self.project.planned() == [], "snakemake is not idle")
        self.check(self.project.dvc_status() == {}, "dvc is not idle")

    def step(self, operation: "Callable[[Sequence], None]") -> None:
        self.done.append(operation.__name__)
        operation(self)
        self.check(not (lies := self.oracle.lies()), f"recorded, but not true: {lies}")
        computed = [line for line in self.oracle.computed()[self.start :] if line["step"] in ("train", "finetune")]
        times = Counter(tuple(line["outputs"]) for line in computed)
        self.check(not (times - self.excused - Counter(list(times))), f"trained twice: {computed}")

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            raise Fault(f"{fault}\nafter: {'; '.join(self.done)}\nin {self.root}")

    def note(self, text: object) -> None:
        self.done[-1] += f" {text}"

    def forget(self) -> None:
        """What was trained until now may be trained again: a cache or record of it was deleted, or it was cut off."""
        lines = self.oracle.computed()[self.start :]
        self.excused = Counter(tuple(line["outputs"]) for line in lines)

    def edit_setting(self) -> None:
        key = self.random.choice(list(SETTINGS))
        value = self.random.choice(SETTINGS[key])
        self.note(f"{key} {value}")
        edit_params(self.root / PARAMS, {key: value})

    def put_settings_back(self) -> None:
        self.project.run("git", "checkout", "--quiet", str(PARAMS))

    def add_or_remove_row(self) -> None:
        key = self.random.choice(list(ROWS))
        there = f"  {key.rpartition('.')[2]}:" in (self.root / PARAMS).read_text()
        self.note(f"{key} {'removed' if there else 'added'}")
        edit_params(self.root / PARAMS, {key: REMOVED if there else ROWS[key]})

    def edit_code(self) -> None:
        step, value = self.random.choice(STEPS), self.random.choice((0, 1))
        self.note(f"{step} {value}")
        path = self.root / f"src/intaglio/steps/{step}.py"
        path.write_text(path.read_text().replace(f"VALUE = {self.oracle.value(step)}", f"VALUE = {value}"))

    def edit_comment(self) -> None:
        with (self.root / f"src/intaglio/steps/{self.random.choice(STEPS)}.py").open("a") as file:
            file.write("\n# A comment.\n")

    def output(self) -> Path:
        path = self.random.choice(sorted(self.oracle.expected()))
        self.note(path)
        return self.root / path

    def delete_output(self) -> None:
        self.output().unlink(missing_ok=True)

    def overwrite_output(self) -> None:
        path = self.output()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text("other bytes")

    def touch_output(self) -> None:
        path = self.output()
        if path.is_file():
            os.utime(path)

    def take_lock_back(self) -> None:
        self.project.run("git", "checkout", "--quiet", "dvc.lock")

    def remove_lock(self) -> None:
        (self.root / "dvc.lock").unlink(missing_ok=True)

    def empty_rwlock(self) -> None:
        (self.root / ".dvc/tmp/rwlock").write_text("")
        self.sync()  # until then DVC itself fails

    def collect_cache(self) -> None:
        whole = self.random.choice((True, False))
        self.note("whole" if whole else "")
        if whole:
            shutil.rmtree(self.root / ".dvc/cache", ignore_errors=True)
        elif (self.root / "dvc.lock").exists():
            self.project.run("dvc", "gc", "--workspace", "--force")
        self.forget()

    def delete_records(self) -> None:
        folder = self.random.choice((".intaglio", ".snakemake"))
        self.note(folder)
        shutil.rmtree(self.root / folder, ignore_errors=True)
        self.forget()

    def run_snakemake(self) -> None:
        self.finish(self.started("snakemake", "--cores", "2"))
        self.is_right()

    def run_dvc(self) -> None:
        self.finish(self.started("dvc", "repro"))
        self.is_right()

    def run_snakemake_for_target(self) -> None:
        path = self.output().relative_to(self.root).as_posix()
        self.finish(self.started("snakemake", "--cores", "2", path))
        self.is_right(path)

    def run_dvc_for_target(self) -> None:
        stage = self.random.choice(list(self.oracle.stages().values()))
        self.note(stage.name)
        self.finish(self.started("dvc", "repro", stage.name))
        self.is_right(*stage.outputs)

    def sync(self) -> None:
        self.finish(self.started("intaglio", "sync"))

    def plan(self) -> None:
        self.finish(self.started("snakemake", "--cores", "2", "--dry-run"))

    def check_out(self) -> None:
        self.finish(self.started("dvc", "checkout", "--force"), may_fail=True)  # not all may be in the cache

    def kill(self) -> None:
        running = self.started(*self.tool())
        steps = self.wait_a_while(running)
        if whole := self.random.choice((True, False)):
            self.signal(running, signal.SIGKILL)
        else:
            running.kill()
        self.note("with its steps" if whole else "alone")
        running.communicate()
        _, alive = psutil.wait_procs(steps, timeout=60)
        self.check(not alive, f"still there: {alive}")
        self.forget()

    def interrupt(self) -> None:
        running = self.started(*self.tool())
        self.wait_a_while(running)
        self.signal(running, signal.SIGINT)
        running.communicate(timeout=LIMIT)
        self.forget()

    def edit_while_running(self) -> None:
        running = self.started(*self.tool())
        self.wait_a_while(running)
        self.random.choice((Sequence.edit_setting, Sequence.edit_code))(self)
        self.finish(running, may_fail=True)  # but it may not take anything stale for true

    def run_both(self) -> None:
        commands = [("snakemake", "--cores", "2"), ("dvc", "repro")]
        self.random.shuffle(commands)
        first = self.started(*commands[0])
        self.wait_a_while(first)
        second = self.started(*commands[1])
        ended = [(running, running.communicate(timeout=LIMIT)[0]) for running in (first, second)]
        for running, text in ended:
            rejected = running.returncode != 0 and any(reason in text for reason in REJECTED)
            self.check(running.returncode == 0 or rejected, f"{running.args} failed:\n{text}")
        texts = "\n".join(text for _, text in ended)
        self.check(any(running.returncode == 0 for running, _ in ended), f"each kept the other out:\n{texts}")
        self.is_right()

    def signal(self, running: "subprocess.Popen[str]", number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(running.pid, number)

    def tool(self) -> tuple[str, ...]:
        return self.random.choice([("snakemake", "--cores", "2"), ("dvc", "repro")])

    def started(self, *command: str) -> "subprocess.Popen[str]":
        self.done[-1] += f" [{command[0]}]"
        return self.project.start(*command)

    def wait_a_while(self, running: "subprocess.Popen[str]") -> list[psutil.Process]:
        """Let a tool run on to some moment, be it fast or slow here; gives its steps."""
        seconds = self.random.choice((0.3, 1.0, 3.0, 8.0)) * self.random.uniform(0.5, 1.5)
        self.note(f"{seconds:.1f} s")
        with suppress(subprocess.TimeoutExpired):
            running.wait(seconds)
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(running.pid).children(recursive=True)
        return []

    def finish(self, running: "subprocess.Popen[str]", *, may_fail: bool = False) -> None:
        text, _ = running.communicate(timeout=LIMIT)
        self.check("Traceback" not in text, f"{running.args}:\n{text}")
        self.check(may_fail or running.returncode == 0, f"{running.args} gave {running.returncode}:\n{text}")

    def is_right(self, *paths: str) -> None:
        self.check(not (wrong := self.oracle.wrong(paths)), f"not what a clean run makes: {wrong}")


# How often each is chosen, compared with the others.
OPERATIONS: "dict[Callable[[Sequence], None], int]" = {
    Sequence.edit_setting: 4,
    Sequence.put_settings_back: 2,
    Sequence.add_or_remove_row: 2,
    Sequence.edit_code: 3,
    Sequence.edit_comment: 1,
    Sequence.delete_output: 2,
    Sequence.overwrite_output: 2,
    Sequence.touch_output: 1,
    Sequence.take_lock_back: 2,
    Sequence.remove_lock: 1,
    Sequence.empty_rwlock: 1,
    Sequence.collect_cache: 1,
    Sequence.delete_records: 2,
    Sequence.run_snakemake: 3,
    Sequence.run_dvc: 3,
    Sequence.run_snakemake_for_target: 3,
    Sequence.run_dvc_for_target: 3,
    Sequence.sync: 1,
    Sequence.plan: 1,
    Sequence.check_out: 1,
    Sequence.kill: 3,
    Sequence.interrupt: 1,
    Sequence.edit_while_running: 2,
    Sequence.run_both: 3,
}


def run_sequence(template: Project, root: Path, seed: int) -> None:
    """Copy a finished clone of stand-ins, and run the sequence of this seed in it; the copy stays if it fails.

    Raises:
        Fault: something happened that must not.
    """
    project = template.copy(root)
    log = root.with_suffix(".log")
    shutil.copyfile(Oracle(template).log, log)
    project.environment["STAND_IN_LOG"] = str(log)
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    sequence = Sequence(project, seed)
    sequence.run(sequence.random.randint(6, 10))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    core = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(f"{time.monotonic() - begin:.0f} s, {core:.0f} s of a core: {'; '.join(sequence.done)}", flush=True)
    shutil.rmtree(root)
    log.unlink()
