"""What a job says of itself, from what QEMU says of its migration."""

from __future__ import annotations

from virtup.machine.jobs import NO_JOB, Job, JobType, Operation

UNDER_WAY = {
    "status": "active",
    "setup-time": 1,
    "expected-downtime": 300,
    "total-time": 1159,
    "ram": {
        "total": 948510720,
        "transferred": 52333312,
        "remaining": 881786880,
        "mbps": 3357.25712,
        "duplicate": 3545,
        "normal": 12744,
        "normal-bytes": 52199424,
        "dirty-pages-rate": 0,
        "dirty-sync-count": 1,
        "postcopy-requests": 0,
        "page-size": 4096,
    },
}


def job() -> Job:
    return Job(Operation.SAVE, began_ms=1000.0)


def test_a_job_under_way() -> None:
    one = job()
    one.take(UNDER_WAY)
    assert one.stats(2159.9) == {
        "operation": 2,
        "time_elapsed": 1159,
        "data_total": 948510720,
        "data_processed": 52333312,
        "data_remaining": 881786880,
        "memory_total": 948510720,
        "memory_processed": 52333312,
        "memory_remaining": 881786880,
        "downtime": 300,
        "setup_time": 1,
        "memory_bps": 419657140,
        "memory_constant": 3545,
        "memory_normal": 12744,
        "memory_normal_bytes": 52199424,
        "memory_dirty_rate": 0,
        "memory_iteration": 1,
        "memory_postcopy_requests": 0,
        "memory_page_size": 4096,
    }
    info = one.info(2159.9)
    assert set(info) == set(NO_JOB)
    assert (info["type"], info["timeElapsed"]) == (2, 1159)
    assert (info["dataProcessed"], info["memRemaining"]) == (52333312, 881786880)


def test_the_end_of_a_job_stays() -> None:
    one = job()
    done = {**UNDER_WAY["ram"], "remaining": 0, "mbps": 0}  # type: ignore[dict-item]
    one.take({"status": "completed", "downtime": 187, "ram": done})
    one.take({"status": "completed"})
    one.type, one.ended_ms = JobType.COMPLETED, 1188.0
    stats = one.stats(99999.0)
    assert (stats["time_elapsed"], stats["data_remaining"], stats["downtime"]) == (188, 0, 187)
    assert stats["success"] is True
    assert "memory_bps" not in stats


def test_a_job_that_just_began() -> None:
    one = job()
    one.take({"status": "setup"})
    assert one.info(1000.0) == {**NO_JOB, "type": 2}
    assert "success" not in one.stats(1000.0)
    one.type, one.ended_ms = JobType.FAILED, 1001.0
    assert one.stats(1001.0)["success"] is False
