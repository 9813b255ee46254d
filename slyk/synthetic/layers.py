"""Grids laid over the picture: ears, hair and what is worn, each sample taking what is nearest."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from slyk.synthetic.face import smooth
from slyk.synthetic.fields import sample, texture_map
from slyk.synthetic.head import normals
from slyk.synthetic.identity import Array, Image
from slyk.synthetic.raster import Surface, rasterize
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Light
from slyk.synthetic.shade import diffuse, sheen
from slyk.synthetic.shells import Layer, Shell

Box = tuple[slice, slice]

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
    for box, surface in _window(canvas, points, camera):
        nearer = surface.nearness > canvas.nearness[box]
        canvas.color[box][nearer] = sample(color.astype(np.float32), surface.column[nearer], surface.row[nearer])
        canvas.regions[box][nearer] = region
        np.maximum(canvas.nearness[box], surface.nearness, out=canvas.nearness[box])


def draw_shell(
    canvas: Canvas, shell: Shell, outer: Array, skin: Array, camera: Array, light: Light, lit: Array
) -> None:
    """Lays a shell over the picture. outer, skin (R, C, 3): its outer surface and the skin below, camera frame; lit
    (R, C): share of the key light that the skin gets."""
    facing = normals(np.where(np.isfinite(outer), outer, skin).astype(np.float32))
    received = diffuse(facing, light, lit, 0.9)
    grid = np.dstack([received, shell.gloss * sheen(skin, facing, light, lit)]).astype(np.float32)
    texture = shell.texture.fit(float(skin[..., 2].mean() / camera[0, 0]))
    inner = [shell.layers[0]._replace(share=1.0, shade=0.35)] if shell.hollow else []
    for layer in [*inner, *shell.layers]:
        for box, surface in _window(canvas, skin + layer.share * (outer - skin), camera, inside=layer in inner):
            _lay(canvas, shell.region, texture, layer, grid, box, surface)


def _lay(canvas: Canvas, region: Region, texture: Image, layer: Layer, grid: Image, box: Box, surface: Surface) -> None:
    rows, columns = np.nonzero(surface.nearness > canvas.nearness[box])
    if not len(rows):
        return
    column, row = surface.column[rows, columns], surface.row[rows, columns]
    texel = sample(texture, *texture_map(column, row, len(texture)))
    there = texel[:, 3] > layer.low
    rows, columns, texel = rows[there], columns[there], texel[there]
    value = sample(grid, column[there], row[there])
    density = texel[:, 3:]
    alpha = smooth(layer.low, layer.high, density)
    shown = np.float32(layer.shade) * texel[:, :3] * value[:, :3] + density * value[:, 3:]
    color = canvas.color[box]
    below = color[rows, columns]
    color[rows, columns] = below + alpha * (shown - below)
    solid = alpha[:, 0] > 0.5
    rows, columns = rows[solid], columns[solid]
    canvas.regions[box][rows, columns] = region
    canvas.nearness[box][rows, columns] = surface.nearness[rows, columns]


def _window(canvas: Canvas, points: Array, camera: Array, *, inside: bool = False) -> Iterator[tuple[Box, Surface]]:
    """The part of the picture that a grid may cover, if any, and the grid's surface there: its outer or inner side."""
    present = np.flatnonzero(np.isfinite(points[..., 2]).any(axis=1))
    if not len(present):
        return
    first, last = present[0], present[-1] + 1
    part = points[first:last, ::-1] if inside else points[first:last]
    x, y, nearness = project_grid(part, camera)
    height, width = canvas.regions.shape
    left, right = (int(min(max(v, 0), width)) for v in (np.fmin.reduce(x, None), np.fmax.reduce(x, None) + 2))
    top, bottom = (int(min(max(v, 0), height)) for v in (np.fmin.reduce(y, None), np.fmax.reduce(y, None) + 2))
    if right <= left or bottom <= top:
        return
    surface = rasterize(x - left, y - top, nearness, bottom - top, right - left)
    surface.row[...] += first
    if inside:
        surface = surface._replace(column=np.float32(points.shape[1] - 1) - surface.column)
    yield (slice(top, bottom), slice(left, right)), surface
