"""The chip in a LiteX system: its registers on the bus, its streams to and from memory, its interrupt.

from eie.device.litex import add_eie

add_eie(soc, block_ram_chip(4))      # soc.eie, and what the software's headers call EIE_BASE

Streams of several words are read from memory and written to it by LiteX's own DMA, whose registers are `eie_to_chip_*`
and `eie_from_chip_*`. Without LiteX the import raises MissingExtra.
"""

from __future__ import annotations

from typing import Any

from eie.device.buses import PORT_BYTES, transfer_bytes
from eie.silicon.fpga import fpga_parameters
from eie.silicon.parameters import Parameters
from eie.silicon.sources import source_files
from eie.support.extras import needed_for

with needed_for("the chip in a LiteX system"):
    from litex.gen import LiteXModule
    from litex.soc.cores.dma import WishboneDMAReader, WishboneDMAWriter
    from litex.soc.integration.soc import SoCRegion
    from litex.soc.interconnect import axi, stream, wishbone
    from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
    from migen import ClockSignal, Instance, ResetSignal

__all__ = ["Eie", "add_eie"]


class Eie(LiteXModule):  # type: ignore[misc]
    """The chip of `parameters`: `bus`, an AXI4-Lite slave of 4 KiB; `sink` and `source`, streams of `stream_bits`.

    `ev` has the chip's interrupt as an event that lasts until the chip's own register INTERRUPT is cleared. The RTL is
    added to `platform`; its memories are taken for an FPGA's.
    """

    def __init__(self, platform: Any, parameters: Parameters) -> None:
        self.stream_bits = 8 * transfer_bytes(parameters.data_bits)
        self.bus = bus = axi.AXILiteInterface(data_width=32, address_width=32)
        self.sink = sink = stream.Endpoint([("data", self.stream_bits)])
        self.source = source = stream.Endpoint([("data", self.stream_bits)])
        self.ev = EventManager()
        self.ev.happened = EventSourceLevel(description="A scan or a stream is complete, or a word was refused.")
        self.ev.finalize()
        given = {f"p_{name}": value for name, value in fpga_parameters(parameters).items()}
        self.specials += Instance(
            "eie_axi",
            **given,
            i_aclk=ClockSignal(),
            i_aresetn=~ResetSignal(),
            i_scan_enable=0,
            i_s_axil_awaddr=bus.aw.addr[:12],
            i_s_axil_awprot=bus.aw.prot,
            i_s_axil_awvalid=bus.aw.valid,
            o_s_axil_awready=bus.aw.ready,
            i_s_axil_wdata=bus.w.data,
            i_s_axil_wstrb=bus.w.strb,
            i_s_axil_wvalid=bus.w.valid,
            o_s_axil_wready=bus.w.ready,
            o_s_axil_bresp=bus.b.resp,
            o_s_axil_bvalid=bus.b.valid,
            i_s_axil_bready=bus.b.ready,
            i_s_axil_araddr=bus.ar.addr[:12],
            i_s_axil_arprot=bus.ar.prot,
            i_s_axil_arvalid=bus.ar.valid,
            o_s_axil_arready=bus.ar.ready,
            o_s_axil_rdata=bus.r.data,
            o_s_axil_rresp=bus.r.resp,
            o_s_axil_rvalid=bus.r.valid,
            i_s_axil_rready=bus.r.ready,
            i_s_axis_tdata=sink.data,
            i_s_axis_tvalid=sink.valid,
            o_s_axis_tready=sink.ready,
            o_m_axis_tdata=source.data,
            o_m_axis_tvalid=source.valid,
            i_m_axis_tready=source.ready,
            o_m_axis_tlast=source.last,
            o_irq=self.ev.happened.trigger,
        )
        for path in source_files():
            platform.add_source(str(path), "systemverilog")


def add_eie(soc: Any, parameters: Parameters, *, name: str = "eie", origin: int | None = None, dma: bool = True) -> Eie:
    """Add the chip of `parameters` to a LiteX SoC, and return it.

    Its registers are at `origin`, or where there is room. With `dma`, `name`_to_chip reads the words of a stream from
    memory, and `name`_from_chip writes those of the other; without, `sink` and `source` are left to connect.
    """
    chip = Eie(soc.platform, parameters)
    soc.add_module(name=name, module=chip)
    soc.bus.add_slave(name=name, slave=chip.bus, region=SoCRegion(origin=origin, size=PORT_BYTES, cached=False))
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    if dma:
        # "big": bytes stay where they are in a word of the bus.
        reader = WishboneDMAReader(_master(soc, f"{name}_to_chip"), endianness="big", with_csr=True)
        writer = WishboneDMAWriter(_master(soc, f"{name}_from_chip"), endianness="big")
        writer.add_ctrl(ready_on_idle=0)  # the chip's words wait until they are asked for
        writer.add_csr()
        widens = stream.Converter(soc.bus.data_width, chip.stream_bits)
        narrows = stream.Converter(chip.stream_bits, soc.bus.data_width)
        for part, module in (("to_chip", reader), ("from_chip", writer), ("widens", widens), ("narrows", narrows)):
            soc.add_module(name=f"{name}_{part}", module=module)
        soc.comb += [
            reader.source.connect(widens.sink),
            widens.source.connect(chip.sink),
            chip.source.connect(narrows.sink),
            narrows.source.connect(writer.sink, omit={"last"}),
        ]
    return chip


def _master(soc: Any, name: str) -> Any:
    """Return a bus for a DMA, which becomes a master of the SoC's."""
    bus = wishbone.Interface(
        data_width=soc.bus.data_width,
        adr_width=soc.bus.get_address_width(standard="wishbone"),
        addressing="word",
    )
    getattr(soc, "dma_bus", soc.bus).add_master(name=name, master=bus)
    return bus
