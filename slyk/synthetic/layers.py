"""Grids laid over the picture: ears, hair and what is worn, each sample taking what is nearest."""

from typing import NamedTuple

import cv2
import numpy as np

from slyk.synthetic.fields import texture_map
from slyk.synthetic.head import normals
from slyk.synthetic.identity import Array, Image
from slyk.synthetic.raster import Surface, rasterize
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Light
from slyk.synthetic.shade import diffuse, sheen
from slyk.synthetic.shells import Shell

NEAR_MM = 5.0
"""What is nearer to the camera is not drawn."""


class Canvas(NamedTuple):
    """The picture in the making, all (H, W): color (H, W, 3) linear RGB, regions, nearness = 1 / z of what is solid."""

    color: Image
    regions: Mask
    nearness: Array


def project_grid(points: Array, camera: Array) -> tuple[Array, Array, Array]:
    """x, y, nearness (R, C) of a grid of points (R, C, 3), camera frame; NaN where it is too near or absent."""
    depth = points[..., 2].copy()
    depth[~(depth > NEAR_MM)] = np.nan
    x, y = (camera[i, i] * points[..., i] / depth + camera[i, 2] for i in (0, 1))
    return x, y, 1.0 / depth


def draw_solid(canvas: Canvas, points: Array, camera: Array, color: Array, region: Region) -> None:
    """Lays a grid (R, C, 3), camera frame, with colours (R, C, 3) at its vertices over what is further away."""
    found = _window(canvas, points, camera)
    if found is None:
        return
    box, surface = found
    nearer = surface.nearness > canvas.nearness[box]
    shown = cv2.remap(color.astype(np.float32), surface.column, surface.row, cv2.INTER_LINEAR)
    canvas.color[box][nearer] = shown[nearer]
    canvas.regions[box][nearer] = region
    np.maximum(canvas.nearness[box], surface.nearness, out=canvas.nearness[box])


def draw_shell(
    canvas: Canvas, shell: Shell, outer: Array, skin: Array, camera: Array, light: Light, lit: Array
) -> None:
    """Lays a shell over the picture. outer, skin (R, C, 3): its outer surface and the skin below, camera frame; lit
    (R, C): share of the key light that the skin gets."""
    facing = normals(np.where(np.isfinite(outer), outer, skin))
    received = diffuse(facing, light, lit, np.full(lit.shape, 0.9))
    shine = shell.gloss * sheen(skin, facing, light, lit)
    grid = np.dstack([received, shine]).astype(np.float32)
    inner = [shell.layers[0]._replace(share=1.0, shade=0.35)] if shell.hollow else []
    for layer in [*inner, *shell.layers]:
        found = _window(canvas, skin + layer.share * (outer - skin), camera, inside=layer in inner)
        if found is None:
            continue
        box, surface = found
        texel = cv2.remap(shell.texture, *texture_map(surface.column, surface.row), cv2.INTER_LINEAR)
        value = cv2.remap(grid, surface.column, surface.row, cv2.INTER_LINEAR)
        density = texel[..., 3]
        t = np.clip((density - np.float32(layer.low)) / np.float32(layer.high - layer.low), 0, 1)
        alpha = t * t * (3 - 2 * t) * (surface.nearness > canvas.nearness[box])
        shown = np.float32(layer.shade) * texel[..., :3] * value[..., :3] + (density * value[..., 3])[..., None]
        color = canvas.color[box]
        color += alpha[..., None] * (shown - color)
        solid = alpha > 0.5
        canvas.regions[box][solid] = shell.region
        canvas.nearness[box][solid] = surface.nearness[solid]


def _window(
    canvas: Canvas, points: Array, camera: Array, *, inside: bool = False
) -> tuple[tuple[slice, slice], Surface] | None:
    """The part of the picture that a grid may cover, and the grid's surface there: its outer side or its inner."""
    x, y, nearness = project_grid(points[:, ::-1] if inside else points, camera)
    if not np.any(np.isfinite(x)):
        return None
    height, width = canvas.regions.shape
    left, right = (int(np.clip(v, 0, width)) for v in (np.floor(np.nanmin(x)), np.ceil(np.nanmax(x)) + 1))
    top, bottom = (int(np.clip(v, 0, height)) for v in (np.floor(np.nanmin(y)), np.ceil(np.nanmax(y)) + 1))
    if right <= left or bottom <= top:
        return None
    surface = rasterize(x - left, y - top, nearness, bottom - top, right - left)
    if inside:
        surface = surface._replace(column=np.float32(points.shape[1] - 1) - surface.column)
    return (slice(top, bottom), slice(left, right)), surface
