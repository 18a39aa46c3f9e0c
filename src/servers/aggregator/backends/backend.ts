/**
 * One remote APIService as requests see it: which servers stand behind it, how many requests it may have, and whether
 * it may be asked at all.
 *
 * Owns:     its lanes (a target with its breaker and retry budget each) and its bulkhead.
 * Callers:  registration-controller.ts makes one per APIService and spec; apiservice-table.ts routes to its handler.
 */
import type { APIService, ServiceReference } from '../../../api/apiservice.ts'
import { OWN_BACKEND } from '../../../api/backend-policy.ts'
import { StatusError, badRequest, type Reason, type StatusCause } from '../../../api/status-error.ts'
import type { Handler } from '../../../http/filter.ts'
import type { RequestContext, RequestRules } from '../../../http/request-context.ts'
import type { RequestInfo } from '../../../http/request-info.ts'
import { Bulkhead, type Refusal } from '../../../proxy/bulkhead.ts'
import { CircuitBreaker } from '../../../proxy/circuit-breaker.ts'
import { type AnswerTap, type ForwardRules, forward } from '../../../proxy/forward.ts'
import { failureCauses, isPrivileged } from '../../../proxy/proxy-error.ts'
import type { BackendMetrics } from '../../../proxy/proxy-metrics.ts'
import { RetryBudget } from '../../../proxy/retries.ts'
import type { BackendSurroundings } from './backend-surroundings.ts'
import type { Expiry } from '../../../proxy/reach/certificate-expiry.ts'
import type { DocumentSource } from './document-source.ts'
import { Target, type TargetOptions } from '../../../proxy/reach/target.ts'
import { type EndpointSource, serviceSource, sourceOf } from '../../../proxy/reach/endpoint-source.ts'
import type { EffectivePolicy } from '../policy/effective-policy.ts'
import { ownTls, policyTls } from './backend-tls.ts'
import type { RoutedRequest } from '../policy/route-match.ts'
import type { RouteChoice } from '../policy/routing.ts'
import { noTimeouts } from '../policy/timeouts.ts'

/** Path segments that are no names. A backend that resolves them would serve another object than was authorized. */
export const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/

interface Lane {
  /** A fingerprint of this lane's settings. A lane with the same key is kept when the policy changes. */
  readonly key: string
  readonly target: Target
  readonly breaker: CircuitBreaker | undefined
  readonly rules: ForwardRules
}
/** A backend that routes lead to, beside the backend for the rest. */
export interface RoutedBackend {
  readonly name: string
  readonly target: Target
  /** The handler for our own probes. */
  readonly direct: Handler
  /** Why its probes fail. undefined: they do not. */
  readonly down: string | undefined
}
type Rejection = Refusal | 'breaker' | 'unavailable'
interface Refused {
  readonly text: string
  /** The name of the backend, where it is about a backend of the policy. */
  readonly server?: string | undefined
  /** Until asking again may help; undefined: it does not. */
  readonly waitMs?: number | undefined
}

export class Backend {
  readonly name: string
  /** undefined: the APIService names none. */
  readonly service: Required<ServiceReference> | undefined
  readonly policy: EffectivePolicy
  /** For clients: 503 while the APIService is not available. */
  readonly handler: Handler
  /** For our own probes and downloads, which find out whether it is available. */
  readonly direct: Handler
  readonly #o: BackendSurroundings
  readonly #apiService: APIService
  readonly #metrics: BackendMetrics
  readonly #lanes = new Map<string, Lane>()
  readonly #bulkhead: Bulkhead
  readonly #isUsable = (name: string): boolean => this.obstacle(name) === undefined

  /** @param previous of the same APIService: what stays the same goes on, connections and counts with it. */
  constructor(apiService: APIService, policy: EffectivePolicy, o: BackendSurroundings, previous?: Backend) {
    const { service } = apiService.spec
    this.name = apiService.metadata.name!
    this.service = service && {
      namespace: service.namespace ?? '',
      name: service.name ?? '',
      port: service.port ?? 443,
    }
    this.policy = policy
    this.#o = o
    this.#apiService = apiService
    this.#metrics = o.metrics.of(this.name)
    this.#bulkhead = previous?.bulkhead.reconfigure(policy.bulkhead) ?? new Bulkhead(policy.bulkhead, o.clock)
    if (this.service) this.#addLane(OWN_BACKEND, previous)
    for (const name of policy.backends.keys()) this.#addLane(name, previous)
    for (const [name, lane] of previous === undefined ? [] : previous.#lanes)
      if (!this.#lanes.has(name)) this.#retire(name, lane)
    this.direct = (ctx) => this.#forward(ctx, policy.routing.fallback, false)
    this.handler = (ctx) => {
      ctx.served('aggregator')
      return this.#forward(ctx, policy.routing.pick(ctx, this.#isUsable), true)
    }
  }
  /** Whether the server that requests go to which no route takes answers, as this process sees it. undefined: not known yet. */
  get available(): boolean | undefined {
    return this.#o.verdicts.isKnownAvailable(this.#apiService)
  }
  /** Which of the policy's backends the handler would send such a request to. */
  explain(request: RoutedRequest): RouteChoice {
    return this.policy.routing.explain(request, this.#isUsable)
  }
  /** Why requests do not go to a backend now: its probes fail, or its breaker is open. undefined: they go. */
  obstacle(name: string): string | undefined {
    const lane = this.#lanes.get(name)
    if (lane === undefined) return undefined
    const down =
      lane !== this.#fallback ? this.#o.verdicts.problemOf(lane.target) : this.available ? undefined : UNAVAILABLE_TEXT
    return down ?? (lane.breaker?.admits === false ? BREAKER_TEXT : undefined)
  }
  /** Whether requests that no route takes go to a server elsewhere, and not to this process. */
  get isRemote(): boolean {
    return this.#fallback !== undefined
  }
  /** Whether it is the APIService's own service that they go to. */
  get usesOwnService(): boolean {
    return this.policy.routing.fallback === OWN_BACKEND
  }
  /** What is wrong with its certificates; undefined when they can be used. */
  get tlsProblem(): string | undefined {
    return this.#fallback?.target.tlsProblem
  }
  /** Whose documents describe it; the first speaks for what no route takes elsewhere. */
  get sources(): readonly DocumentSource[] {
    const { fallback, owners } = this.policy.routing
    const names = new Set([fallback, ...owners.values()])
    return [...names].map((name) => ({
      direct: (ctx) => this.#forward(ctx, name, false),
      documentKey: this.#lanes.get(name)?.target.text ?? `local ${this.name}`,
      isLocal: !this.#lanes.has(name),
      share: { name, owners, fallback },
    }))
  }
  /** Those that requests go to beside the fallback, which availability is about. */
  get routed(): readonly RoutedBackend[] {
    const { fallback, destinations } = this.policy.routing
    return [...destinations].flatMap((name) => {
      const lane = this.#lanes.get(name)
      return lane && name !== fallback ? [this.#routedBackend(name, lane.target)] : []
    })
  }
  /** All servers that requests may go to, by name, the fallback among them. */
  get destinations(): ReadonlyMap<string, Target> {
    return new Map([...this.targets].filter(([name]) => this.policy.routing.destinations.has(name)))
  }
  get targets(): ReadonlyMap<string, Target> {
    return new Map([...this.#lanes].map(([name, lane]) => [name, lane.target]))
  }
  /** Expiries of the certificates around it, the first of each use. */
  get expiries(): readonly Expiry[] {
    const first = new Map<Expiry['use'], Expiry>()
    for (const { target } of this.#lanes.values())
      for (const e of target.expiries) if ((first.get(e.use)?.atMs ?? Infinity) > e.atMs) first.set(e.use, e)
    return [...first.values()]
  }
  get bulkhead(): Bulkhead {
    return this.#bulkhead
  }
  breaker(target: string): CircuitBreaker | undefined {
    return this.#lanes.get(target)?.breaker
  }
  /** @throws Error where there is no endpoint. */
  url(path: string): string {
    return this.#target.url(path)
  }
  /** The same in words. */
  get text(): string {
    return this.#fallback?.target.text ?? 'local'
  }
  uses(namespace: string, name: string): boolean {
    if (this.service?.namespace === namespace && this.service.name === name) return true
    for (const { service } of this.policy.backends.values())
      if (service?.namespace === namespace && service.name === name) return true
    return false
  }
  /** undefined: as without a policy. */
  rulesOf(info: RequestInfo): RequestRules | undefined {
    const { timeouts, trustTraceparent } = this.policy
    if (timeouts === noTimeouts && trustTraceparent === undefined) return undefined
    const { longRunning, totalMs } = timeouts(info)
    return { longRunning, totalMs, trustTraceparent }
  }
  /** A Service or its endpoints changed. */
  refresh(): void {
    for (const { target } of this.#lanes.values()) target.refresh()
    this.#forgetEndpoints()
  }
  securityChanged(): void {
    for (const { target } of this.#lanes.values()) target.securityChanged()
  }
  /** It is gone: what still runs there is ended softly. */
  retire(): void {
    for (const [name, lane] of this.#lanes) this.#retire(name, lane)
  }
  stop(): void {
    for (const { target } of this.#lanes.values()) target.stop()
  }

  #retire(name: string, { target, breaker }: Lane): void {
    target.retire()
    breaker?.retire()
    this.#o.breakerChanged(this.name, name, undefined)
  }
  #routedBackend(name: string, target: Target): RoutedBackend {
    const direct: Handler = (ctx) => this.#forward(ctx, name, false)
    return { name, target, direct, down: this.#o.verdicts.problemOf(target) }
  }
  get #target(): Target {
    const lane = this.#fallback
    if (!lane) throw new Error('no endpoints available')
    return lane.target
  }
  get #fallback(): Lane | undefined {
    return this.#lanes.get(this.policy.routing.fallback)
  }
  #forgetEndpoints(): void {
    const present = [...this.#lanes.values()].flatMap(({ target }) => target.endpoints.members.map((e) => e.id))
    this.#o.metrics.keepEndpoints(this.name, new Set([...present, 'other']))
  }

  #addLane(name: string, previous: Backend | undefined): void {
    const { policy } = this
    const { spec } = this.#apiService
    const configured = policy.backends.get(name)
    const pool = { key: JSON.stringify(policy.pool), options: policy.pool }
    const key = JSON.stringify([
      configured ?? [spec.service, spec.caBundle, spec.insecureSkipTLSVerify],
      policy.balancing,
      policy.breaker,
      policy.retries,
      pool.key,
    ])
    const known = previous === undefined ? undefined : previous.#lanes.get(name)
    if (known?.key === key) return void this.#lanes.set(name, known)
    const o = this.#o
    const source: EndpointSource = configured ? sourceOf(configured, o) : serviceSource(this.service!, o.resolver)
    const breaker =
      policy.breaker &&
      new CircuitBreaker(policy.breaker, o.clock, (state) => {
        o.breakerChanged(this.name, name, state)
        o.log.warn('a circuit breaker changed', { apiService: this.name, backend: name, state })
      })
    const options: TargetOptions = {
      parts: o,
      source,
      pool,
      balancing: policy.balancing,
      forbidden: o.forbidden,
      drainMs: o.drainMs,
      onMissingSan: o.onMissingSan,
      onEject: (endpointId) => this.#metrics.endpoint(endpointId).ejected(),
      onProblem: () => o.problemChanged(this.name),
      tls: () =>
        configured
          ? policyTls(configured.tls, source.serverName, o)
          : ownTls(this.#apiService, source.serverName, o.clientCertificate.value),
    }
    // A backend that is made anew counts anew.
    known?.breaker?.retire()
    if (known?.breaker && known.breaker.state !== 'closed')
      o.breakerChanged(this.name, name, breaker === undefined ? undefined : 'closed')
    const target = known?.target ?? new Target(options)
    if (known) known.target.reconfigure(options)
    this.#lanes.set(name, { key, target, breaker, rules: this.#rulesOf(configured && name) })
  }
  /** @param server as errors name it; the APIService's own has no name. */
  #rulesOf(server: string | undefined): ForwardRules {
    const { o, policy } = { o: this.#o, policy: this.policy }
    return {
      backend: this.name,
      server,
      identity: 'requestheader',
      identityNames: o.identityNames,
      rejectRedirects: o.rejectRedirects,
      retries: policy.retries,
      trackWatch: o.trackWatch,
      budget: new RetryBudget(policy.retries.budgetPercent),
      metrics: this.#metrics,
      tracer: o.tracer,
      clock: o.clock,
    }
  }

  #forward(ctx: RequestContext, targetName: string, limited: boolean): void | Promise<void> {
    const lane = this.#lanes.get(targetName)
    if (!lane) return this.#o.local(ctx)
    if (!ctx.user) return this.#refuse(ctx, new StatusError(500, '', 'missing user'))
    if (ctx.path.includes('/.') && DOT_SEGMENT.test(ctx.path))
      return this.#refuse(ctx, badRequest('a path may not hold the segments . and ..'))
    // A fault in our own settings says more than that no server can be reached.
    const { tlsProblem } = lane.target
    if (tlsProblem !== undefined) return this.#refuse(ctx, this.#unusable(ctx, tlsProblem, lane))
    if (limited && !this.available && lane === this.#fallback)
      return this.#reject(ctx, 'unavailable', {
        text: 'service unavailable',
        waitMs: this.available === undefined ? ONE_MOMENT_MS : undefined,
        server: lane.rules.server,
      })
    if (!this.#resolved(ctx, lane)) return
    if (!limited) return this.#send(ctx, lane, { counted: false })
    this.#enter(ctx, lane, this.#o.watchLists.enter(ctx, this.name, lane.target.text))
  }
  /** Takes a place in the bulkhead. The breaker is asked last, since a request that it lets in has to be sent. */
  #enter(ctx: RequestContext, lane: Lane, tap: AnswerTap | undefined): void {
    const { longRunning } = ctx
    const entered = (): void => {
      ctx.exchange.onFinish(() => this.#bulkhead.leave(longRunning))
      const waitMs = lane.breaker?.enter() ?? 0
      if (waitMs > 0) this.#reject(ctx, 'breaker', { text: BREAKER_TEXT, server: lane.rules.server })
      else this.#send(ctx, lane, { counted: true, tap })
    }
    const answer = this.#bulkhead.enter(longRunning)
    if (answer === undefined) return entered()
    if (answer !== 'wait') return this.#reject(ctx, answer, { text: TEXTS[answer], waitMs: ONE_MOMENT_MS })
    const span = ctx.span.recording ? this.#o.tracer.start('queue', { parent: ctx.span }) : undefined
    ctx.waitsFor = { causes: () => this.#causes(ctx, 'queue', lane.rules.server) }
    const giveUp = this.#bulkhead.wait({
      entered: () => {
        span?.end()
        entered()
      },
      refused: () => {
        span?.end()
        this.#reject(ctx, 'queue-timeout', { text: TEXTS['queue-timeout'], waitMs: ONE_MOMENT_MS })
      },
    })
    ctx.exchange.onFinish(giveUp)
  }
  /** @param o.counted a client's request; our own probes are neither let in nor counted by the breaker. */
  #send(ctx: RequestContext, lane: Lane, o: { counted: boolean; tap?: AnswerTap | undefined }): void {
    const { target, breaker, rules } = lane
    const timeouts = this.policy.timeouts(ctx.info)
    const { pathPrefix } = target
    forward(ctx, {
      tap: o.tap,
      rules,
      endpoints: target.endpoints,
      longRunning: ctx.longRunning,
      authority: target.authority,
      firstByteTimeoutMs: timeouts.firstByteMs,
      idleTimeoutMs: timeouts.idleMs,
      isDown: () =>
        lane === this.#fallback ? this.available === false : this.#o.verdicts.problemOf(lane.target) !== undefined,
      ...(pathPrefix === '' ? {} : { target: pathPrefix + ctx.exchange.target }),
      onVerdict: (verdict, error, status) => {
        if (!o.counted) return
        if (verdict === 'abandoned') return breaker?.abandoned()
        breaker?.report(verdict === 'ok')
        if (lane === this.#fallback)
          this.#o.observed(this.name, verdict === 'ok' && status < 500, error?.phase ?? 'status')
        else if (verdict !== 'ok') this.#o.routedFailed(this.name)
      },
    })
  }

  #resolved(ctx: RequestContext, { target, rules }: Lane): boolean {
    if (target.endpoints.size > 0) return true
    const span = ctx.span.recording ? this.#o.tracer.start('resolve', { parent: ctx.span }) : undefined
    const found = target.ready()
    span?.end()
    if (found) return true
    // The change of its availability is told once; this is once a request.
    ctx.log.verbose?.('a backend cannot be resolved', { apiService: this.name, error: target.problem })
    this.#refuse(ctx, this.#unavailable(ctx, 'resolve', { text: 'service unavailable', server: rules.server }))
    return false
  }
  #reject(ctx: RequestContext, why: Rejection, o: Refused): void {
    this.#metrics.rejected(why)
    const tooMany = why !== 'unavailable' && why !== 'breaker'
    this.#o.refusals.add(() =>
      this.#refuse(ctx, this.#unavailable(ctx, why, o, tooMany ? [429, 'TooManyRequests'] : undefined)),
    )
  }
  #unavailable(
    ctx: RequestContext,
    phase: string,
    { text, server, waitMs }: Refused,
    [code, reason]: [number, Reason] = [503, 'ServiceUnavailable'],
  ): StatusError {
    const causes = this.#causes(ctx, phase, server)
    const retry = waitMs === undefined ? {} : { retryAfterSeconds: Math.ceil(waitMs / 1_000) }
    return new StatusError(code, reason, text, { details: { causes, ...retry } })
  }
  #causes(ctx: RequestContext, phase: string, server: string | undefined): StatusCause[] {
    return failureCauses({ phase, backend: this.name, server, attempts: 0, traceId: ctx.span.context?.traceId })
  }
  /** Asking again does not help: it is for operators, who alone may know files and Secrets. */
  #unusable(ctx: RequestContext, problem: string, { rules }: Lane): StatusError {
    const text = isPrivileged(ctx.user) ? problem : 'the certificates for the backend cannot be used'
    return new StatusError(500, 'InternalError', text, { details: { causes: this.#causes(ctx, 'tls', rules.server) } })
  }
  #refuse(ctx: RequestContext, error: StatusError): void {
    this.#o.terminated(ctx, String(error.code), 'aggregator')
    ctx.fail(error)
  }
}

/** Requests that are refused for their number, or while a backend is not known yet, may succeed soon. */
const ONE_MOMENT_MS = 1_000
const UNAVAILABLE_TEXT = 'the condition Available says why'
const BREAKER_TEXT = 'the backend fails too many requests'
const TEXTS: Record<Refusal, string> = {
  'in-flight': 'too many requests of this API group are under way',
  'queue-timeout': 'too many requests of this API group are under way, and waiting took too long',
  watches: 'too many watches of this API group are open',
  rate: 'too many requests of this API group in too short a time',
}
