"""The exact minimiser: a minimum s-t cut for every connected component of ambiguous pixels.

Maximum flow by Boykov and Kolmogorov's two growing trees (PAMI 26(9), 2004), written from the paper for 4-neighbour
grids. Components are solved one at a time in buffers as large as the largest of them. The labels are canonical: a pixel
is cell exactly when it is reachable from the source in the final residual graph. That set is the same for every
maximum flow, so labels depend on the capacities alone, and ties fall to the background.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from inference.fusion.energy import Energy

RIGHT, LEFT, DOWN, UP = 0, 1, 2, 3  # direction d leads back by d ^ 1
TERMINAL, ORPHAN, NOBODY = 4, 5, 6  # what else a parent can be
FREE, SOURCE, SINK = 0, 1, 2


@dataclass(frozen=True)
class Minimum:
    """labels (n,) bool, True is cell; flow in integer units; number of components."""

    labels: npt.NDArray[np.bool_]
    flow: int
    components: int


def minimise(energy: Energy) -> Minimum:
    """The smallest set of cell pixels among the minimisers of the energy, and the flow that proves it."""
    labels = np.zeros(len(energy), np.bool_)
    order, starts = components(energy.right, energy.below)
    flow = _solve_all(order, starts, energy.terminal, energy.right, energy.down, energy.below, labels)
    return Minimum(labels, int(flow), len(starts) - 1)


@njit(cache=True)
def _find(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def components(right: Any, below: Any) -> Any:
    """4-connected components of the graph: node order grouped by component, and where each begins, (c + 1,) int32.

    Components come by their first node, nodes ascend within them.
    """
    n = len(right)
    parent = np.empty(n, np.int32)
    for i in range(n):
        parent[i] = i
    for i in range(n):
        if right[i] >= 0:
            a, b = _find(parent, i), _find(parent, i + 1)
            if a != b:
                parent[max(a, b)] = min(a, b)  # the smaller index is the root, so one pass below numbers them
        if below[i] >= 0:
            a, b = _find(parent, i), _find(parent, below[i])
            if a != b:
                parent[max(a, b)] = min(a, b)
    count = 0
    for i in range(n):
        if parent[i] == i:
            parent[i] = -1 - count
            count += 1
        else:
            parent[i] = parent[parent[i]]  # smaller, so numbered already
    starts = np.zeros(count + 1, np.int32)
    for i in range(n):
        starts[-parent[i]] += 1
    for c in range(count):
        starts[c + 1] += starts[c]
    order, fill = np.empty(n, np.int32), starts[:-1].copy()
    for i in range(n):
        c = -1 - parent[i]
        order[fill[c]] = i
        fill[c] += 1
    return order, starts


@njit(cache=True)
def _solve_all(order: Any, starts: Any, terminal: Any, right: Any, down: Any, below: Any, labels: Any) -> Any:
    largest = 0
    for c in range(len(starts) - 1):
        largest = max(largest, starts[c + 1] - starts[c])
    position = np.empty(len(order), np.int32)  # of a node within its component
    for c in range(len(starts) - 1):
        for k in range(starts[c], starts[c + 1]):
            position[order[k]] = k - starts[c]
    capacity = np.empty((largest, 4), np.int64)
    neighbour = np.empty((largest, 4), np.int32)
    residual = np.empty(largest, np.int64)
    tree, parent, queued = np.empty(largest, np.uint8), np.empty(largest, np.uint8), np.empty(largest, np.uint8)
    depth, stamp = np.empty(largest, np.int32), np.empty(largest, np.int32)
    active, orphans = np.empty(largest + 1, np.int32), np.empty(largest + 1, np.int32)
    flow = np.int64(0)
    for c in range(len(starts) - 1):
        begin, end = starts[c], starts[c + 1]
        n = end - begin
        pulled = False
        for k in range(n):
            residual[k] = terminal[order[begin + k]]
            pulled |= residual[k] > 0
        if not pulled:
            continue  # nothing is connected to the source: all background, no flow
        for k in range(n):
            for d in range(4):  # not a slice, which numba assigns slowly
                capacity[k, d] = 0
                neighbour[k, d] = -1
        for k in range(n):
            i = order[begin + k]
            if right[i] >= 0:
                j = position[i + 1]
                neighbour[k, RIGHT], neighbour[j, LEFT] = j, k
                capacity[k, RIGHT] = capacity[j, LEFT] = right[i]
            if below[i] >= 0:
                j = position[below[i]]
                neighbour[k, DOWN], neighbour[j, UP] = j, k
                capacity[k, DOWN] = capacity[j, UP] = down[i]
        flow += _max_flow(n, neighbour, capacity, residual, tree, parent, queued, depth, stamp, active, orphans)
        for k in range(n):
            labels[order[begin + k]] = tree[k] == SOURCE
    return flow


@njit(cache=True)
def _max_flow(
    n: int,
    neighbour: Any,
    capacity: Any,
    residual: Any,
    tree: Any,
    parent: Any,
    queued: Any,
    depth: Any,
    stamp: Any,
    active: Any,
    orphans: Any,
) -> Any:
    """Boykov-Kolmogorov on one component; on return tree[k] == SOURCE marks what the source still reaches.

    capacity[k, d]  residual of the arc from k in direction d
    residual[k]     > 0: left of the arc from the source, < 0: minus what is left of the arc to the sink
    """
    size = len(active)
    head = tail = 0
    for k in range(n):
        stamp[k], depth[k], queued[k] = 0, 1, 0
        if residual[k] != 0:
            tree[k] = SOURCE if residual[k] > 0 else SINK
            parent[k] = TERMINAL
            queued[k] = 1
            active[tail] = k
            tail += 1
        else:
            tree[k], parent[k] = FREE, NOBODY
    flow = np.int64(0)
    time = 0
    current = -1
    while True:
        # growth: let an active node take free neighbours until the trees meet
        if current < 0 or tree[current] == FREE:
            current = -1
            while head != tail:
                current = active[head]
                head = head + 1 if head + 1 < size else 0
                queued[current] = 0
                if tree[current] != FREE:
                    break
                current = -1
            if current < 0:
                return flow
        mine = tree[current]
        source_end, sink_end, bridge = -1, -1, 0
        for d in range(4):
            j = neighbour[current, d]
            if j < 0:
                continue
            if (capacity[current, d] if mine == SOURCE else capacity[j, d ^ 1]) == 0:
                continue
            if tree[j] == FREE:
                tree[j], parent[j] = mine, d ^ 1
                stamp[j], depth[j] = stamp[current], depth[current] + 1
                if queued[j] == 0:
                    queued[j] = 1
                    active[tail] = j
                    tail = tail + 1 if tail + 1 < size else 0
            elif tree[j] != mine:
                if mine == SOURCE:
                    source_end, sink_end, bridge = current, j, d
                else:
                    source_end, sink_end, bridge = j, current, d ^ 1
                break
            elif stamp[j] <= stamp[current] and depth[j] > depth[current]:
                parent[j] = d ^ 1  # a shorter way to the terminal
                stamp[j], depth[j] = stamp[current], depth[current] + 1
        if source_end < 0:
            current = -1
            continue

        # augmentation: the bottleneck of the path, then push
        time += 1
        push = capacity[source_end, bridge]
        k = source_end
        while parent[k] != TERMINAL:
            p = neighbour[k, parent[k]]
            push = min(push, capacity[p, parent[k] ^ 1])
            k = p
        push = min(push, residual[k])
        k = sink_end
        while parent[k] != TERMINAL:
            push = min(push, capacity[k, parent[k]])
            k = neighbour[k, parent[k]]
        push = min(push, -residual[k])
        flow += push
        first = last = 0
        capacity[source_end, bridge] -= push
        capacity[sink_end, bridge ^ 1] += push
        k = source_end
        while parent[k] != TERMINAL:
            d = parent[k]
            p = neighbour[k, d]
            capacity[k, d] += push
            capacity[p, d ^ 1] -= push
            if capacity[p, d ^ 1] == 0:
                parent[k] = ORPHAN
                orphans[last] = k
                last += 1
            k = p
        residual[k] -= push
        if residual[k] == 0:
            parent[k] = ORPHAN
            orphans[last] = k
            last += 1
        k = sink_end
        while parent[k] != TERMINAL:
            d = parent[k]
            p = neighbour[k, d]
            capacity[k, d] -= push
            capacity[p, d ^ 1] += push
            if capacity[k, d] == 0:
                parent[k] = ORPHAN
                orphans[last] = k
                last += 1
            k = p
        residual[k] += push
        if residual[k] == 0:
            parent[k] = ORPHAN
            orphans[last] = k
            last += 1

        # adoption: every orphan finds a new parent in its tree, or leaves it
        while first != last:
            k = orphans[first]
            first = first + 1 if first + 1 < size else 0
            mine = tree[k]
            best, nearest = NOBODY, np.int32(2147483647)
            for d in range(4):
                j = neighbour[k, d]
                if j < 0 or tree[j] != mine or (capacity[j, d ^ 1] if mine == SOURCE else capacity[k, d]) == 0:
                    continue
                # does j's way lead to the terminal, and how far is it?
                far = np.int32(0)
                walk = j
                while True:
                    if stamp[walk] == time:
                        far += depth[walk]
                        break
                    p = parent[walk]
                    if p == TERMINAL:
                        stamp[walk], depth[walk] = time, 1
                        far += 1
                        break
                    if p == ORPHAN:
                        far = np.int32(-1)
                        break
                    far += 1
                    walk = neighbour[walk, p]
                if far < 0:
                    continue
                if far < nearest:
                    best, nearest = d, far
                walk = j
                while stamp[walk] != time:  # remember the distances just walked
                    stamp[walk], depth[walk] = time, far
                    far -= 1
                    walk = neighbour[walk, parent[walk]]
            if best != NOBODY:
                parent[k], stamp[k], depth[k] = best, time, nearest + 1
                continue
            for d in range(4):
                j = neighbour[k, d]
                if j < 0 or tree[j] != mine:
                    continue
                if (capacity[j, d ^ 1] if mine == SOURCE else capacity[k, d]) > 0 and queued[j] == 0:
                    queued[j] = 1
                    active[tail] = j
                    tail = tail + 1 if tail + 1 < size else 0
                if parent[j] < TERMINAL and neighbour[j, parent[j]] == k:
                    parent[j] = ORPHAN
                    orphans[last] = j
                    last = last + 1 if last + 1 < size else 0
            tree[k], parent[k] = FREE, NOBODY
