#!/usr/bin/python3
"""Predicts bytes, memory and time of the LPT light-cone on one rank or many, and prints the tables of docs/scaling.md.

    scaling.py [--bench build/bench.json] [--write docs/scaling.md]

Without --write the tables are printed; with it they replace those between `<!-- table NAME -->` and `<!-- end -->` of
a page. Model (docs: compute, sections 1a, 1c, 3). F is the bytes of one real single-precision field of a rank. Time
of an evaluation = fields moved * F / memory bandwidth + transposes * (packing 4 F / memory bandwidth + bytes to other
nodes / network) + planes to neighbours / network. Every number is a floor from bytes: what a program needs beyond it
is its overhead, which the table of two cores shows for ours when bench.json has rows lpt_value_MESH_orderO and
lpt_gradient_MESH_orderO (ms).
"""
import argparse
import dataclasses
import json
import pathlib
import re
import sys

REAL = 4  # bytes
# Passes over fields, as (what, fields forward, fields back): docs compute, table 1a with latents in Fourier space.
# Order 2 adds stencils of the second-order source, two transforms and one field more to read, there and back.
PASSES = {1: [("modes: potential; cotangents of latents and spectrum", 2, 3), ("transform", 6, 6),
              ("displace and paint; gather", 5, 5), ("stencil adjoint", 0, 4), ("rays through planes", 1, 1)],
          2: [("second-order source", 2, 6), ("its two transforms", 12, 12), ("its modes", 2, 2),
              ("second displacement", 1, 0)]}
TRANSPOSES = {1: (1, 1), 2: (3, 3)}  # forward, back
# Fields held at once: modes, phi, cotangents of mass and of three displacements, half a work array; phi2 and S.
LIVE = {1: 6.5, 2: 8.5}
SAMPLER = {"gradient alone": 0, "with MCLMC": 2, "with HMC": 3}  # more fields: position, momentum, gradient
GHOSTS = {1: 2 + 2, 2: 4 + 2 + 2 + 6 * 4}  # planes to either side: phi, cotangent of s_z; strains' cotangents
SIGMA_MPCH, EXTREME = 6.0, 6.0  # displacement along an axis today, rms; how many of them the farthest particle goes
BOX_MPCH = (1000.0, 1000.0, 4500.0)
PACKING = 4  # fields read and written to pack and unpack a transpose
MESHES = (512, 1024, 2048, 4096)


@dataclasses.dataclass
class Machine:
    name: str
    memory_gbs: float  # of a rank, read and written
    memory_gb: float  # that a rank may fill
    per_node: int
    network_gbs: float  # of a rank, off its node
    inside_gbs: float  # between ranks of a node

    def row(self):
        return [self.name, self.memory_gbs, self.memory_gb, self.per_node, self.network_gbs, self.inside_gbs]


# Planning numbers. CPU rank: an eighth of a node of two sockets with 200 GB/s, 256 GB and a 100 Gb/s port; GPUs:
# measured copy bandwidth, one 400 Gb/s port each (48.5 GB/s through NCCL), NVLink inside (docs: compute, 1c).
CPU = Machine("CPU rank, 8 a node", 25, 30, 8, 1.56, 12)
H100 = Machine("H100, 8 a node", 2950, 77, 8, 48.5, 360)
H200 = Machine("H200, 8 a node", 4300, 146, 8, 48.5, 360)
MACHINES = (CPU, H100, H200)


@dataclasses.dataclass
class Case:
    mesh: int  # cells a side
    ranks: int = 1
    order: int = 1

    def field(self):
        """F: bytes of a rank's share of a field, rows padded as worker/core/mesh.h does."""
        padded = 2 * ((self.mesh // 2 + 1 + 7) // 8 * 8)
        return REAL * padded * self.mesh * (self.mesh / self.ranks)

    def plane(self):
        return self.field() * self.ranks / self.mesh

    def fields_moved(self, back=True):
        return sum(there + (again if back else 0) for o in range(1, self.order + 1) for _, there, again in PASSES[o])

    def transposes(self, back=True):
        return sum(TRANSPOSES[self.order][:2 if back else 1])

    def reach(self):
        """Planes that the farthest particle crosses."""
        return min(self.mesh, SIGMA_MPCH * EXTREME / (BOX_MPCH[2] / self.mesh))

    def memory(self, sampler="gradient alone"):
        around = 0 if self.ranks == 1 else 2 * (self.reach() + GHOSTS[1])
        return (LIVE[self.order] + SAMPLER[sampler]) * self.field() + around * self.plane()


def off_node(case, machine):
    """Part of what a rank hands over in a transpose that leaves its node, and that stays inside with other ranks."""
    near = min(machine.per_node, case.ranks)
    return (case.ranks - near) / case.ranks, (near - 1) / case.ranks


def transpose_seconds(case, machine):
    """Of one: off the node, then packing; what stays inside a node overlaps with the former and counts where it is
    longer."""
    if case.ranks == 1:
        return 0.0
    out, inside = off_node(case, machine)
    wire = max(out * case.field() / machine.network_gbs, inside * case.field() / machine.inside_gbs)
    return 1e-9 * (wire + PACKING * case.field() / machine.memory_gbs)


def halo_seconds(case, machine, back=True):
    """Ghosts and windows of mass; a node's first and last rank send one side off the node."""
    if case.ranks == 1:
        return 0.0
    planes = (GHOSTS[case.order] + 2 * case.reach()) / (1 if back else 2)
    wire = machine.network_gbs if case.ranks > machine.per_node else machine.inside_gbs
    return 1e-9 * planes * case.plane() / wire


def seconds(case, machine, back=True):
    local = 1e-9 * case.fields_moved(back) * case.field() / machine.memory_gbs
    return local + case.transposes(back) * transpose_seconds(case, machine) + halo_seconds(case, machine, back)


def fewest_ranks(case, machine, sampler):
    """Smallest power of two of ranks whose memory holds the case, slabs no thinner than one plane."""
    ranks = 1
    while dataclasses.replace(case, ranks=ranks).memory(sampler) > 1e9 * machine.memory_gb:
        ranks *= 2
        if ranks > case.mesh:
            return None
    return ranks


# ---- tables ----


def text(value):
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def table(head, rows):
    lines = ["| " + " | ".join(map(text, row)) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def table_machines():
    return table(["a rank", "memory GB/s", "memory GB", "ranks a node", "network GB/s", "inside a node GB/s"],
                 [m.row() for m in MACHINES])


def table_fields():
    rows = [[*row, "" if order == 1 else "order 2"] for order in PASSES for row in PASSES[order]]
    for order in PASSES:
        case = Case(512, order=order)
        there, both = case.fields_moved(False), case.fields_moved()
        rows.append([f"**sum, order {order}**", there, both - there, f"{both} F together"])
    return table(["pass", "F forward", "F back", ""], rows)


def table_published():
    """The model against published transforms: 2048^3 complex single precision, 4 H100 a node with a port each (a
    figure of jaxDecomp's paper, read off; docs: compute, 1c). A complex field is 2 F."""
    rows = []
    machine = dataclasses.replace(H100, per_node=4)
    for ranks, measured in ((8, 145), (16, 90), (32, 50), (64, 27), (128, 13.8), (256, 7.2)):
        field = 8 * 2048**3 / ranks
        out, _ = off_node(Case(2048, ranks), machine)
        model = 1e-6 * (out * field / machine.network_gbs + (6 + PACKING) * field / machine.memory_gbs)
        rows.append([ranks, measured, model, measured / model])
    return table(["GPUs", "published ms", "model ms", "ratio"], rows)


def table_memory():
    rows = []
    for order in PASSES:
        for mesh in MESHES:
            case = Case(mesh, order=order)
            row = [f"{mesh}^3, order {order}", case.field() / 1e9]
            row += [case.memory(name) / 1e9 for name in SAMPLER]
            row += [fewest_ranks(case, machine, "with MCLMC") for machine in MACHINES]
            rows.append(row)
    return table(["mesh", "F GB", *(f"{name} GB" for name in SAMPLER), *(f"{m.name}: ranks" for m in MACHINES)], rows)


def table_gradient():
    rows = []
    for order in PASSES:
        for mesh in MESHES:
            row = [f"{mesh}^3, order {order}", Case(mesh, order=order).fields_moved() * Case(mesh).field() / 1e9]
            for machine in MACHINES:
                ranks = fewest_ranks(Case(mesh, order=order), machine, "with MCLMC")
                row += [ranks, ranks and 1e3 * seconds(Case(mesh, ranks, order), machine)]
            rows.append(row)
    names = [part for m in MACHINES for part in (f"{m.name}: ranks", "ms")]
    return table(["mesh", "GB moved", *names], rows)


def table_strong():
    """One evaluation of 2048^3 over more and more ranks, where it fits."""
    rows = []
    for ranks in (8, 16, 32, 64, 128, 256, 512):
        row = [ranks, 2048 / ranks]
        for machine in MACHINES:
            case = Case(2048, ranks)
            fits = case.memory("with MCLMC") <= 1e9 * machine.memory_gb
            row += [1e3 * seconds(case, machine, back) if fits else None for back in (False, True)]
        rows.append(row)
    names = [part for m in MACHINES for part in (f"{m.name}: value ms", "with gradient ms")]
    return table(["ranks", "planes a rank", *names], rows)


def measured_rows(bench):
    """(mesh text, order, what, ms, threads) of rows lpt_WHAT_MESH_orderO of bench.json."""
    for row in bench:
        match = re.fullmatch(r"lpt_(value|gradient)_(\d+)x(\d+)x(\d+)_order([12])", row["name"])
        if match and row["unit"] == "ms":
            what, cells, order = match.group(1), tuple(map(int, match.group(2, 3, 4))), int(match.group(5))
            yield what, cells, order, row["value"], row["threads"]


def table_cores(bench):
    """Ours on the machine of bench.json beside the floor of its own measured bandwidth."""
    triad = {row["threads"]: row["value"] for row in bench if row["name"] == "memory_triad"}
    rows = []
    for what, cells, order, value, threads in measured_rows(bench):
        count = cells[0] * cells[1] * cells[2]
        moved = Case(512, order=order).fields_moved(what == "gradient") * REAL * count
        floor = 1e3 * moved / (1e9 * triad[threads]) if threads in triad else None
        mesh = "x".join(map(str, cells))
        rows.append([f"{mesh}, order {order}", what, threads, value, floor, floor and value / floor])
    if not rows:
        return "Not measured yet: bench.json has no rows lpt_value_.. or lpt_gradient_..."
    return table(["mesh", "", "threads", "measured ms", "floor ms", "ratio"], rows)


def tables(bench):
    return {"machines": table_machines(), "fields": table_fields(), "published": table_published(),
            "memory": table_memory(), "gradient": table_gradient(), "strong": table_strong(),
            "cores": table_cores(bench)}


def fill(page, found):
    """The page with every table between its marks replaced."""

    def put(match):
        return f"<!-- table {match.group(1)} -->\n{found[match.group(1)]}\n<!-- end -->"

    return re.sub(r"<!-- table (\w+) -->\n.*?<!-- end -->", put, page, flags=re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", default="build/bench.json", help="rows measured by `make bench`; may be absent")
    parser.add_argument("--write", metavar="PAGE", help="put the tables into this page")
    options = parser.parse_args()
    path = pathlib.Path(options.bench)
    found = tables(json.loads(path.read_text()) if path.exists() else [])
    if options.write:
        page = pathlib.Path(options.write)
        page.write_text(fill(page.read_text(), found))
    else:
        for name, content in found.items():
            print(f"{name}\n\n{content}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
