"""Runs in the Python that has OpenROAD, not in ours: plays plan.json, which lies beside it, and writes design.json.

The plan: Tcl commands before and after the floorplan, whose own Tcl commands crash in the wheel, and the floorplan.
A command that fails ends the run with exit code 1.
"""

# mypy: ignore-errors
import json
import os

__all__ = ["main"]


def main():
    """Play the plan."""
    from openroad import Design, Tech

    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    with open("plan.json") as file:
        plan = json.load(file)
    tech = Tech()
    design = Design(tech)
    for step in plan["steps"]:
        print("STEP", step["name"], flush=True)
        for command in step["commands"]:
            print("TCL", command, flush=True)
            if design.evalTclString(f"catch {{{command}}} failure") != "0":  # by itself it goes on
                raise SystemExit(f"{command}: {design.evalTclString('set failure')}")
        if step["name"] == "floorplan":
            make_floorplan(design, plan["floorplan"])
    with open("design.json", "w") as file:
        json.dump(facts(design.getBlock()), file)


def make_floorplan(design, plan):
    """Make die, rows and tracks."""
    from openroad import odb

    block = design.getBlock()
    units = block.getDbUnitsPerMicron()

    def dbu(*lengths):
        return [round(length * units) for length in lengths]

    maker = design.getFloorplan()
    maker.initFloorplan(odb.Rect(*dbu(*plan["die"])), odb.Rect(*dbu(*plan["core"])), maker.findSite(plan["site"]))
    for layer in plan["tracks"]:
        maker.makeTracks(block.getTech().findLayer(layer["name"]), *dbu(*layer["x_um"], *layer["y_um"]))


def facts(block):
    """Give nets with the length of their wires in um, cells with their corners and nets, and the ports."""
    units = block.getDbUnitsPerMicron()
    nets = []
    number = {}
    for net in block.getNets():
        if net.getSigType() in ("POWER", "GROUND"):
            continue
        number[net.getName()] = len(nets)
        wire = net.getWire()
        length = wire.getLength() / units if wire is not None else 0.0
        nets.append([net.getName(), length])
    cells = []
    for instance in block.getInsts():
        master = instance.getMaster()
        pins = {
            pin.getMTerm().getName(): number[pin.getNet().getName()]
            for pin in instance.getITerms()
            if pin.getNet() is not None and pin.getNet().getName() in number
        }
        box = instance.getBBox()
        corners = [edge / units for edge in (box.xMin(), box.yMin(), box.xMax(), box.yMax())]
        cells.append([instance.getName(), master.getName(), master.getType(), corners, pins])
    ports = [
        [port.getName(), port.getIoType(), number[port.getNet().getName()]]
        for port in block.getBTerms()
        if port.getNet().getName() in number
    ]
    die = block.getDieArea()
    return {
        "die_um": [(die.xMax() - die.xMin()) / units, (die.yMax() - die.yMin()) / units],
        "nets": nets,
        "cells": cells,
        "ports": ports,
    }


if __name__ == "__main__":
    main()
