"""Bugs of tracked ConfigMaps: changes nobody sees, content that moves, copies that stay."""

from __future__ import annotations

from tests.sim.bug import Bug

CONFIG_MAPS = (
    Bug(
        name="what ConfigMaps hold is no part of a revision",
        file="api/revision.py",
        old='        **({"configMaps": dict(config_maps)} if config_maps else {}),\n',
        new="",
        plays=("config_changes_gatewayapi", "config_changes_replicaratio"),
    ),
    Bug(
        name="pods are given the ConfigMaps themselves",
        file="revisions/render.py",
        old="    copies = {it: copy_name(it, owner=meta.name, revision=revision.hash) for it in spec.config_maps}\n",
        new="    copies = {}\n",
        plays=("config_changes_gatewayapi",),
    ),
    Bug(
        name="a ConfigMap that is missing is no obstacle",
        file="api/config_maps.py",
        old="        if needed and found.digest == ABSENT:\n",
        new="        if needed and found.failure:\n",
        plays=("config_lost_gatewayapi", "config_lost_replicaratio"),
    ),
    Bug(
        name="ConfigMaps are looked at once",
        file="controller/config_maps.py",
        old="            await self._clock.sleep(LOOK_SECONDS)\n",
        new="            await self._clock.sleep(100 * LOOK_SECONDS)\n",
        plays=("optional_config_comes_gatewayapi",),
    ),
    Bug(
        name="copies stay when their revision goes",
        file="controller/config_maps.py",
        old="        if made is None:\n            return None\n",
        new="        if made is not None:\n            return None\n",
        plays=("copies_go_with_their_revision_gatewayapi",),
    ),
)
