import { type DestinationStream, type Logger as Pino, destination, pino } from 'pino'
import type { LogFields, Logger } from './logger.ts'

/** Logs as JSON lines: level, time (RFC 3339), msg, then the fields. `v` is --v: 2 turns verbose on, 4 debug. */
export function createLogger(o: { v: number; stream?: DestinationStream; fields?: LogFields }): Logger {
  const base = pino(
    {
      base: o.fields ?? {},
      level: o.v >= 4 ? 'trace' : o.v >= 2 ? 'debug' : 'info',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    o.stream ?? destination({ fd: 2, sync: true }),
  )
  return adapt(base, o.v)
}

function adapt(p: Pino, v: number): Logger {
  return {
    v,
    error: (message, fields) => p.error(fields ?? {}, message),
    warn: (message, fields) => p.warn(fields ?? {}, message),
    info: (message, fields) => p.info(fields ?? {}, message),
    ...(v >= 2 ? { verbose: (message: string, fields?: LogFields) => p.debug(fields ?? {}, message) } : {}),
    ...(v >= 4 ? { debug: (message: string, fields?: LogFields) => p.trace(fields ?? {}, message) } : {}),
    child: (fields) => adapt(p.child(fields), v),
  }
}

function describeError(e: unknown): unknown {
  if (!(e instanceof Error)) return e
  return {
    name: e.name,
    message: e.message,
    stack: e.stack,
    ...(e.cause === undefined ? {} : { cause: describeError(e.cause) }),
  }
}
