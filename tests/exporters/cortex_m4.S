/* Starts a Cortex-M4 in an emulator, turns its floating point on, and hands main's result to the emulator. */
  .syntax unified
  .thumb
  .section .vectors, "a"
  .word 0x20400000 /* the stack */
  .word start

  .text
  .thumb_func
  .global start
start:
  ldr r0, =0xE000ED88 /* CPACR */
  ldr r1, [r0]
  orr r1, r1, #0xF00000
  str r1, [r0]
  dsb
  isb
  bl main
  sub sp, sp, #8
  ldr r1, =0x20026 /* ADP_Stopped_ApplicationExit */
  str r1, [sp]
  str r0, [sp, #4]
  mov r1, sp
  movs r0, #0x20 /* SYS_EXIT_EXTENDED */
  bkpt 0xab

/* What compilers call for loops that clear and copy. */
  .thumb_func
  .weak memset
memset:
  mov r3, r0
1:
  cbz r2, 2f
  strb r1, [r3], #1
  subs r2, r2, #1
  b 1b
2:
  bx lr

  .thumb_func
  .weak memcpy
memcpy:
  mov r3, r0
1:
  cbz r2, 2f
  ldrb r12, [r1], #1
  strb r12, [r3], #1
  subs r2, r2, #1
  b 1b
2:
  bx lr
