"""The measurement of a class at once: its arithmetic, and one real kernel."""

from pathlib import Path

import classroom
import psutil
import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="what processes share: Linux only"
)


def test_memory_is_read_from_proc(tmp_path):
    """Kilobytes of the kernel become megabytes; what is its own is clean and dirty together."""
    (tmp_path / "7").mkdir()
    lines = ["00400000-7ffd ---p 00000000 00:00 0 [rollup]", "Rss:  250000 kB", "Pss: 125000 kB"]
    lines += ["Private_Clean: 1000 kB", "Private_Dirty: 99000 kB"]
    (tmp_path / "7" / "smaps_rollup").write_text("\n".join(lines))
    memory = classroom.Memory.of(7, tmp_path)
    assert (memory.rss, memory.pss, memory.own) == pytest.approx((256, 128, 102.4))
    with pytest.raises(OSError, match="smaps_rollup"):
        classroom.Memory.of(8, tmp_path)


@needs_proc
def test_memory_of_this_process_is_what_psutil_says():
    """Within what changes between two looks."""
    memory = classroom.Memory.of(psutil.Process().pid)
    assert memory.rss == pytest.approx(psutil.Process().memory_info().rss / 1e6, rel=0.05)
    assert memory.own <= memory.pss <= memory.rss


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.75, 3), (0.76, 4), (1.0, 4), (0.01, 1)])
def test_percentile(share, value):
    """At least so large a share is not above it, whatever the order."""
    assert classroom.percentile([4, 1, 3, 2], share) == value


def test_hub_of_a_class():
    """By hand: 1.25 x 10 x 0.3 GB + 4 GB; two who move, 0.15 s of work each, in 0.3 s."""
    memory, cores = classroom.hub(10, 200, 100, 0.15)
    assert (memory, cores) == pytest.approx((7.75, 1.0))


@pytest.mark.parametrize(("highest", "verdict"), [(249, "met"), (251, "**missed**")])
def test_report_says_whether_the_bar_is_met(highest, verdict):
    """The highest kernel counts, not the median."""
    memories = [classroom.Memory(rss, 100, 90) for rss in (200, 200, highest)]
    text = classroom.report(memories, memories[0], {1: [0.05, 0.07, 0.06], 2: [0.1] * 4}, 0.5, 9)
    assert f"{highest} MB (bar: 250 MB, {verdict})" in text
    assert "| 1 | 60 ms | 70 ms | 3 |" in text
    assert "All of them together: 0.3 GB" in text


@needs_proc
@pytest.mark.notebook
def test_an_idle_explorer_kernel_takes_at_most_250_mb():
    """A real kernel, after a slider was moved; both it and one beside it answer."""
    with classroom.kernels(2) as running:
        assert len(classroom.moves(running, 2)) == 4
        memories = [classroom.Memory.of(kernel.pid) for kernel in running]
        with pytest.raises(RuntimeError, match=r"could not run 'explorer\.nothing'"):
            running[0].run("explorer.nothing")
        pids = [kernel.pid for kernel in running]
    assert max(memory.rss for memory in memories) <= classroom.AT_MOST_MB
    assert not any(map(psutil.pid_exists, pids))
