/* The registers of the chip's port, made from src/eie/silicon/registers.toml by `make registers`. */
#ifndef EIE_REGISTERS_H
#define EIE_REGISTERS_H

#define EIE_IDENTITY_VALUE 0x45494503u
#define EIE_SPACE_SETTINGS 0u /* one of the settings below; they are not read */
#define EIE_SPACE_POINTERS 1u /* a column's pointer of a PE */
#define EIE_SPACE_WEIGHTS 2u /* a row of a PE's weight memory; reading one empties the PE's weight buffer */
#define EIE_SPACE_CODEBOOK 3u /* a shared weight, written for all PEs and read from one */
#define EIE_SPACE_SOURCE 4u /* an activation in a PE's source file, whose words have ACCUMULATOR_BITS */
#define EIE_SPACE_DESTINATION 5u /* an accumulator in a PE's destination file */
#define EIE_SPACE_SRAM 6u /* an activation in a PE's SRAM */
#define EIE_KIND_SCAN 0u /* a scan of the source file */
#define EIE_KIND_PRESET 1u /* rows of the activation SRAM go to the destination file; the weight buffers are emptied */
#define EIE_KIND_CODEBOOK 2u /* words of the activation SRAM go to the codebook: all of it */
#define EIE_KIND_STORE 3u /* rows of the destination file go to the activation SRAM, saturated and, with RELU, through ReLU */

#define EIE_IDENTITY 0x000u /* read: tells that this is the chip, and which map */
#define EIE_STATUS 0x004u /* read: what the chip is doing */
#define EIE_STATUS_BUSY 0x1u /* a step or a run goes on */
#define EIE_STATUS_STREAMING 0x2u /* a stream's words are still to come or to go */
#define EIE_INTERRUPT_ENABLE 0x008u /* read and write: which bits of INTERRUPT raise the interrupt line */
#define EIE_INTERRUPT_ENABLE_COMPLETE 0x1u /* as in INTERRUPT */
#define EIE_INTERRUPT_ENABLE_SENT 0x2u /* as in INTERRUPT */
#define EIE_INTERRUPT_ENABLE_REFUSED 0x4u /* as in INTERRUPT */
#define EIE_INTERRUPT 0x00cu /* read and write: what has happened; writing a 1 clears its bit */
#define EIE_INTERRUPT_COMPLETE 0x1u /* a step that START began is complete, or a run */
#define EIE_INTERRUPT_SENT 0x2u /* the last word of a stream has been sent */
#define EIE_INTERRUPT_REFUSED 0x4u /* a word of a stream had no place, or a setting's value none; it was dropped */
#define EIE_CYCLES 0x010u /* read: cycles of steps since CLEAR or RUN; of a run also those between its steps */
#define EIE_BROADCASTS 0x014u /* read: broadcasts since CLEAR or RUN */
#define EIE_STALLS 0x018u /* read: cycles since CLEAR or RUN in which a full queue held a broadcast back */
#define EIE_RESET 0x01cu /* write: any value: ends a step, a run and a stream, and does what CLEAR does; memories and settings stay. Never refused */
#define EIE_ROWS 0x020u /* write: rows of the step; at most REGISTER_ENTRIES */
#define EIE_FIRST_INPUT 0x024u /* write: number of the scan's first input */
#define EIE_FIRST_WORD 0x028u /* write: where the step's rows lie in the activation SRAM; below SRAM_WORDS */
#define EIE_FLAGS 0x02cu /* write: what the step does, and how */
#define EIE_FLAGS_LOAD 0x1u /* a scan's source rows come from the activation SRAM first */
#define EIE_FLAGS_SOURCE 0x2u /* which register file is the source, 0 or 1 */
#define EIE_FLAGS_RELU 0x4u /* the rows that are scanned or stored are read through ReLU */
#define EIE_FLAGS_KIND 0x18u /* one of the kinds */
#define EIE_START 0x030u /* write: any value: begins a step */
#define EIE_CLEAR 0x034u /* write: any value: empties the weight buffers and sets the counters to 0 */
#define EIE_STEP 0x038u /* write: keeps ROWS, FIRST_INPUT, FIRST_WORD and FLAGS as this step of the table; below TABLE_STEPS */
#define EIE_RUN 0x03cu /* write: does what CLEAR does and begins a run of so many steps of the table, from step 0 on; each puts what it keeps into ROWS, FIRST_INPUT, FIRST_WORD and FLAGS; 1 to TABLE_STEPS */
#define EIE_CURSOR 0x040u /* read and write: which memory DATA reaches, and which way it moves on */
#define EIE_CURSOR_SPACE 0x7u /* one of the spaces */
#define EIE_CURSOR_BY_ROW 0x8u /* 1: to the next PE, after the last to address + 1; 0: to address + 1 */
#define EIE_CURSOR_PE 0x044u /* read and write: which PE DATA reaches; below 256 */
#define EIE_CURSOR_ADDRESS 0x048u /* read and write: which word DATA reaches */
#define EIE_N_PE 0x080u /* read: processing elements */
#define EIE_QUEUE_DEPTH 0x084u /* read: slots of an activation queue */
#define EIE_REGISTER_ENTRIES 0x088u /* read: R, entries of a register file */
#define EIE_VALUE_BITS 0x08cu /* read: B, bits of an activation */
#define EIE_ACCUMULATOR_BITS 0x090u /* read: A, bits of an accumulator */
#define EIE_CODE_BITS 0x094u /* read: C, bits of a code */
#define EIE_INDEX_BITS 0x098u /* read: I, bits of a relative index */
#define EIE_ENTRY_BITS 0x09cu /* read: bits of an entry, in whole bytes */
#define EIE_ENTRIES_PER_ROW 0x0a0u /* read: entries in a row of the weight memory */
#define EIE_SPMAT_ROWS 0x0a4u /* read: rows of a weight memory */
#define EIE_POINTER_BITS 0x0a8u /* read: P, bits of a pointer */
#define EIE_POINTER_WORDS 0x0acu /* read: pointers in each of a PE's two banks */
#define EIE_SRAM_WORDS 0x0b0u /* read: activations in a PE's SRAM */
#define EIE_COLUMN_BITS 0x0b4u /* read: bits of an input's number */
#define EIE_DATA_BITS 0x0b8u /* read: bits of a host word */
#define EIE_HOST_ADDRESS_BITS 0x0bcu /* read: bits of an address at the host port */
#define EIE_BROADCAST_STAGES 0x0c0u /* read: registers between a broadcast and the queues */
#define EIE_TABLE_STEPS 0x0c4u /* read: steps that the table holds */
#define EIE_DATA 0x800u /* read and write: the word at the cursor, 32 bits a register, the lowest here and the next at + 4. Writing the lowest writes all, the others as last written, and moves the cursor on. Reading any gives its part of the word, the lowest also moves the cursor on; numbers have their sign extended, pointers and rows zeros. SETTINGS are not read, and nothing is while a step, a run or a stream goes on */

/* The first word of a stream, of 64 bits or more: shifts and widths of its fields. */
#define EIE_HEADER_SPACE_SHIFT 0 /* which memory */
#define EIE_HEADER_SPACE_BITS 3
#define EIE_HEADER_BY_ROW_SHIFT 3 /* as in CURSOR */
#define EIE_HEADER_BY_ROW_BITS 1
#define EIE_HEADER_SEND_SHIFT 4 /* 1: no words follow; the chip sends them, from any space but SETTINGS */
#define EIE_HEADER_SEND_BITS 1
#define EIE_HEADER_PE_SHIFT 8 /* the first word's PE */
#define EIE_HEADER_PE_BITS 8
#define EIE_HEADER_COUNT_SHIFT 16 /* how many words */
#define EIE_HEADER_COUNT_BITS 16
#define EIE_HEADER_ADDRESS_SHIFT 32 /* the first word's address */
#define EIE_HEADER_ADDRESS_BITS 32

#endif
