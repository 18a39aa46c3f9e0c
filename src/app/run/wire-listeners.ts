/** The TLS listener and, where asked for, the plain one. */
import type { Handler } from '../../http/filter.ts'
import type { Exchange } from '../../http/exchange.ts'
import { type Listener, type ListenOptions, listen } from '../../http/listener.ts'
import { RequestContext } from '../../http/request-context.ts'
import type { ReloadableTls } from '../../http/tls-context.ts'
import { ConfigurationError } from '../config/configuration-error.ts'
import type { AppContext } from './app-context.ts'

export interface Listeners {
  readonly port: number
  readonly insecurePort: number | undefined
  retireAll(): void
  close(graceMs: number): Promise<void>
}

/** @throws ConfigurationError for an address that cannot be listened on. */
export async function startListeners(
  context: AppContext,
  o: { secure: Handler; insecure: Handler; tls: ReloadableTls },
): Promise<Listeners> {
  const { config, metrics, log } = context
  const { values } = config
  const handshakeErrors = metrics
    .counter({ name: 'apiserver_tls_handshake_errors_total', help: '[ALPHA] TLS handshakes that failed.' })
    .with()
  const refusals = metrics.counter({
    name: 'portico_connections_refused_total',
    help: 'Connections closed unheard, by the limit that was reached.',
    labels: ['limit'],
  })
  const refused = { connections: refusals.with('connections'), handshakes: refusals.with('handshakes') }
  const limits = {
    maxConcurrentStreams: values['http2-max-streams-per-connection'],
    maxHandshakesPerAddress: values['max-handshakes-per-address'],
  }
  const listeners: Listener[] = []
  const secure = await open('secure', {
    port: values['secure-port'],
    host: values['bind-address'],
    tls: o.tls,
    limits,
    clock: context.clock,
    onRequest: dispatcher(context, o.secure),
    hooks: { tlsError: () => handshakeErrors.inc(), refused: (limit) => refused[limit].inc() },
  })
  listeners.push(secure)
  const handshaking = metrics
    .gauge({ name: 'portico_tls_handshakes', help: 'Connections whose TLS handshake is not done.' })
    .with()
  metrics.onCollect(() => handshaking.set(secure.handshaking))
  context.life.own(secure)
  let insecurePort: number | undefined
  if (values['insecure-port'] !== 0) {
    const host = values['insecure-bind-address']
    if (!isLoopback(host))
      log.warn('THE INSECURE LISTENER IS REACHABLE FROM OTHER MACHINES: whoever reaches it is system:masters', {
        address: host,
        port: values['insecure-port'],
      })
    const insecure = await open('insecure', {
      port: values['insecure-port'],
      host,
      limits,
      clock: context.clock,
      onRequest: dispatcher(context, refuseBrowsers(o.insecure, host)),
    })
    listeners.push(insecure)
    context.life.own(insecure)
    insecurePort = insecure.port
  }
  return {
    port: secure.port,
    insecurePort,
    retireAll: () => {
      for (const l of listeners) l.retireAll()
    },
    close: async (graceMs) => {
      await Promise.all(listeners.map((l) => l.close({ graceMs })))
    },
  }
}

type Side = 'secure' | 'insecure'

async function open(side: Side, options: ListenOptions): Promise<Listener> {
  try {
    return await listen(options)
  } catch (e) {
    throw new ConfigurationError(whyNotListening(side, options, e as NodeJS.ErrnoException))
  }
}

/** What was wrong, and which flag is about it. */
function whyNotListening(side: Side, { host, port }: ListenOptions, error: NodeJS.ErrnoException): string {
  const portFlag = `--${side}-port`
  const addressFlag = side === 'secure' ? '--bind-address' : '--insecure-bind-address'
  switch (error.code) {
    case 'EADDRINUSE':
      return `${portFlag}: port ${port} of ${host} is taken by another process: choose another one with ${portFlag}`
    case 'EACCES':
      return `${portFlag}: port ${port} may be taken by root alone: choose one above 1023 with ${portFlag}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return `${addressFlag}: ${host} is no address of this machine`
    default:
      return `${portFlag}: ${error.message}`
  }
}

/** A throw of the chain itself (the filters before panic-recovery) still ends its request alone. */
function dispatcher(context: AppContext, handler: Handler): (exchange: Exchange) => void {
  const { clock } = context
  return (exchange) => {
    const ctx = new RequestContext(exchange, clock)
    try {
      const pending = handler(ctx)
      if (pending instanceof Promise) pending.catch((e: unknown) => ctx.fail(e))
    } catch (e) {
      ctx.fail(e)
    }
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

/** Every caller of the insecure listener is an administrator: pages in a browser on this machine must not be. */
function refuseBrowsers(next: Handler, host: string): Handler {
  return (ctx) => {
    const { headers, authority } = ctx.exchange
    const name = authority.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
    const known = name === host || isLoopback(name)
    if (headers.has('origin') || !known)
      return ctx.answer(403, ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', '0'])
    return next(ctx)
  }
}
