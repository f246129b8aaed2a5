"""The measurement of a class at once: its arithmetic, and one real kernel."""

from types import SimpleNamespace

import classroom
import psutil
import pytest


def test_hub_of_a_class():
    """By hand: 1.25 x 10 x 0.3 GB + 4 GB; two who move, 0.15 s of work each, in 0.3 s."""
    memory, cores = classroom.hub(10, 200, 100, 0.15)
    assert (memory, cores) == pytest.approx((7.75, 1.0))


@pytest.mark.parametrize(("highest", "verdict"), [(249, "met"), (251, "**missed**")])
def test_report_says_whether_the_bar_is_met(highest, verdict):
    """The highest kernel counts, not the median."""
    memories = [SimpleNamespace(rss=1e6 * n, pss=1e8, uss=9e7) for n in (200, 200, highest)]
    text = classroom.report(memories, memories[0], {1: [0.05, 0.07, 0.06], 2: [0.1] * 4}, 0.5, 9)
    assert f"{highest} MB (bar: 250 MB, {verdict})" in text
    assert "| 1 | 60 ms | 70 ms | 3 |" in text
    assert "All of them together: 0.3 GB" in text


@pytest.mark.skipif(not psutil.LINUX, reason="what processes share: Linux only")
@pytest.mark.notebook
def test_an_idle_explorer_kernel_takes_at_most_250_mb():
    """A real kernel, after a slider was moved; both it and one beside it answer."""
    with classroom.kernels(2) as running:
        assert len(classroom.moves(running, 2)) == 4
        memories = [classroom.memory(kernel.pid) for kernel in running]
        with pytest.raises(RuntimeError, match=r"could not run 'explorer\.nothing'"):
            running[0].run("explorer.nothing")
        pids = [kernel.pid for kernel in running]
    assert all(memory.uss <= memory.pss <= memory.rss for memory in memories)
    assert max(memory.rss for memory in memories) <= 1e6 * classroom.AT_MOST_MB
    assert not any(map(psutil.pid_exists, pids))
