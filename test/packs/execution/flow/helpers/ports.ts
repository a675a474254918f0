/** The ports of this pack, added to those of the program. */
declare module '../../../../../nodes/ports.ts' {
  interface PortTypes {
    /** Ties the two ends of a loop together; its value means nothing. */
    FLOW_CONTROL: string
    /** A list that travels as one value. */
    ACCUMULATION: readonly unknown[]
  }
}

/** Values that a loop carries. */
export const SOCKETS = 5
