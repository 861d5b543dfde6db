"""The exports that wait for their readers: whose they are, for how long, and how many."""

from typing import Any

from session_controller.service.export_cache import KEPT_BYTES, KEPT_S, Export, ExportCache


def export(size: int = 1) -> Export:
    """Make an export; nothing here looks at its seal."""
    seal: Any = None
    return Export(bytes(size), seal)


def test_an_export_is_for_the_device_that_asked() -> None:
    """Another that knows its id gets nothing."""
    cache, made = ExportCache(), export()
    name = cache.put("admin-1", made, 0.0)
    assert cache.get("admin-1", name, 0.0) is made
    assert cache.get("admin-2", name, 0.0) is None
    assert cache.get("admin-1", "export-0", 0.0) is None


def test_an_export_waits_ten_minutes() -> None:
    """Then it is gone for its reader, and with the next timer from memory."""
    cache = ExportCache()
    name = cache.put("admin-1", export(), 0.0)
    assert cache.get("admin-1", name, KEPT_S) is not None
    assert cache.get("admin-1", name, KEPT_S + 1) is None
    cache.expire(KEPT_S + 1)
    assert cache.get("admin-1", name, 0.0) is None


def test_the_oldest_exports_go_first() -> None:
    """All together take no more memory than they may."""
    cache = ExportCache()
    first, second = (cache.put("admin-1", export(KEPT_BYTES // 2), 0.0) for _ in range(2))
    third = cache.put("admin-1", export(), 0.0)
    assert cache.get("admin-1", first, 0.0) is None
    assert cache.get("admin-1", second, 0.0) is not None
    assert cache.get("admin-1", third, 0.0) is not None
