/**
 * Structured logs. A level that is off has no method: `log.debug?.('text', { costly })` builds nothing.
 */
export type LogFields = Record<string, unknown>
export interface Logger {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  /** --v=2 and above: what an operator wants while looking for something. */
  readonly verbose?: ((message: string, fields?: LogFields) => void) | undefined
  /** --v=4 and above: each step. */
  readonly debug?: ((message: string, fields?: LogFields) => void) | undefined
  /** The verbosity, as --v gives it. */
  readonly v: number
  child(fields: LogFields): Logger
}

export const noopLogger: Logger = { error() {}, warn() {}, info() {}, v: 0, child: () => noopLogger }
