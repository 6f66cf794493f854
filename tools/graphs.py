"""Arrows between modules: the circles in them, and how few arrows point against the best order."""

from collections.abc import Callable, Iterable

Graph = dict[str, set[str]]

# The exact count looks at every subset of a circle: 2^15 subsets take about a second.
LARGEST_COUNTED = 15


def graph_of(arrows: Iterable[tuple[str, str]]) -> Graph:
    """Source -> its targets. Every target is a key too; an arrow from a node to itself is left out."""
    graph: Graph = {}
    for source, target in arrows:
        graph.setdefault(source, set())
        graph.setdefault(target, set())
        if source != target:
            graph[source].add(target)
    return graph


def merged(graph: Graph, group_of: Callable[[str], str]) -> Graph:
    """The same arrows between the groups of the nodes."""
    arrows: list[tuple[str, str]] = []
    for source, targets in graph.items():
        arrows += [(group_of(source), group_of(target)) for target in targets]
    return graph_of(arrows)


def arrows_of(graph: Graph) -> int:
    return sum(len(targets) for targets in graph.values())


def circles(graph: Graph) -> list[list[str]]:
    """The strongly connected components of more than one node, the largest first (Kosaraju's two walks)."""
    order: list[str] = []
    visited: set[str] = set()
    for node in sorted(graph):
        order.extend(_walk(graph, node, visited))
    backwards = _reversed(graph)
    visited = set()
    found = []
    for node in reversed(order):
        component = _walk(backwards, node, visited)
        if len(component) > 1:
            found.append(sorted(component))
    return sorted(found, key=lambda component: (-len(component), component))


def least_back_arrows(graph: Graph) -> int | None:
    """The least number of arrows that point against an order of the nodes, over all orders.

    Only arrows inside circles count: everything else can be put in order. Exact, by dynamic programming over the
    subsets of each circle. None when a circle has more than LARGEST_COUNTED nodes.
    """
    total = 0
    for circle in circles(graph):
        if len(circle) > LARGEST_COUNTED:
            return None
        total += _least_in_circle(graph, circle)
    return total


def _least_in_circle(graph: Graph, circle: list[str]) -> int:
    number = {node: position for position, node in enumerate(circle)}
    targets = [_as_bits(graph[node], number) for node in circle]
    # least[placed]: the fewest arrows back among the nodes of `placed`, which stand above all others. A node that is
    # placed next has every arrow to an already placed node against it.
    least = [0] * (1 << len(circle))
    for placed in range(1, len(least)):
        least[placed] = min(_with_last(least, targets, placed))
    return least[-1]


def _with_last(least: list[int], targets: list[int], placed: int) -> Iterable[int]:
    for node, its_targets in enumerate(targets):
        if placed >> node & 1:
            before = placed & ~(1 << node)
            yield least[before] + (its_targets & before).bit_count()


def _as_bits(nodes: set[str], number: dict[str, int]) -> int:
    bits = 0
    for node in nodes:
        if node in number:
            bits |= 1 << number[node]
    return bits


def _reversed(graph: Graph) -> Graph:
    backwards: Graph = {node: set() for node in graph}
    for source, targets in graph.items():
        for target in targets:
            backwards[target].add(source)
    return backwards


def _walk(graph: Graph, start: str, visited: set[str]) -> list[str]:
    """The nodes that can be reached from `start` and were not visited, each after those that it leads to."""
    if start in visited:
        return []
    visited.add(start)
    done: list[str] = []
    path = [(start, iter(sorted(graph[start])))]
    while path:
        node, targets = path[-1]
        following = next((target for target in targets if target not in visited), None)
        if following is None:
            done.append(node)
            path.pop()
        else:
            visited.add(following)
            path.append((following, iter(sorted(graph[following]))))
    return done
