/**
 * In which form an answer goes out: encoding, pretty or compact, and the transform the client asks for
 * (Table, PartialObjectMetadata, APIGroupDiscoveryList).
 */
import type { Encoding } from '../api/codec/codec.ts'
import { notAcceptable, unroutableMediaType } from '../api/status-error.ts'
import { accepts, parseAccept } from './accept.ts'
import type { RequestContext } from './request-context.ts'

export const MEDIA_TYPES: Readonly<Record<Encoding, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
}
const ALL: readonly Encoding[] = ['json', 'yaml', 'protobuf']

/** What the `as`, `g` and `v` parameters of a clause ask for. */
export interface Transform {
  readonly kind: string
  readonly group: string
  readonly version: string
}
export interface Negotiated {
  readonly encoding: Encoding
  readonly pretty: boolean
  readonly as: Transform | undefined
  /** The clause asks for `stream=watch`. */
  readonly stream: boolean
}
export interface Offer {
  /** In the order of our preference; JSON, YAML and protobuf when absent. */
  readonly encodings?: readonly Encoding[]
  /** Which transforms can be made; none when absent. */
  readonly transforms?: (as: Transform, encoding: Encoding) => boolean
  /** Encodings of what is not transformed, where they are fewer. */
  readonly untransformed?: readonly Encoding[]
  /** What the router lists for this path: a header that names none of them, and takes not just anything, does not get past it. */
  readonly representations?: readonly string[]
  /** The answer is a watch: errors name its forms. */
  readonly stream?: boolean
}

/** @throws StatusError 406 where no clause can be satisfied. */
export function negotiate(ctx: RequestContext, offer: Offer = {}): Negotiated {
  const encodings = offer.encodings ?? ALL
  const header = ctx.exchange.headers.all('accept').join(',')
  // What almost every client sends, without the parsing.
  if (header === '' || header === '*/*' || header === 'application/json') return plain(ctx, encodings[0]!)
  const clauses = parseAccept(header)
  const { representations } = offer
  if (representations && !clauses.some((c) => c.type === '*/*' || representations.includes(c.type)))
    throw unroutableMediaType(406, representations)
  for (const clause of clauses) {
    const as = transformOf(clause.params)
    const encoding = encodings.find((e) => accepts(clause.type, MEDIA_TYPES[e]))
    if (encoding === undefined || !(as ? offer.transforms?.(as, encoding) : isOffered(offer, encoding))) continue
    return {
      encoding,
      as,
      stream: clause.params.get('stream') === 'watch',
      pretty: prettyWanted(ctx, clause.params.get('pretty')),
    }
  }
  throw notAcceptable(encodings.map((e) => MEDIA_TYPES[e] + (offer.stream === true ? ';stream=watch' : '')))
}

function isOffered({ untransformed }: Offer, encoding: Encoding): boolean {
  return untransformed === undefined || untransformed.includes(encoding)
}

/** For errors: never fails; JSON where nothing fits. */
export function negotiateError(ctx: RequestContext): Negotiated {
  try {
    return negotiate(ctx)
  } catch {
    return { encoding: 'json', pretty: true, as: undefined, stream: false }
  }
}

function plain(ctx: RequestContext, encoding: Encoding): Negotiated {
  return { encoding, as: undefined, stream: false, pretty: prettyWanted(ctx, undefined) }
}

function transformOf(params: ReadonlyMap<string, string>): Transform | undefined {
  const kind = params.get('as')
  return kind === undefined ? undefined : { kind, group: params.get('g') ?? '', version: params.get('v') ?? '' }
}

const HUMANS = /^(curl|Wget|Mozilla\/5\.0)/
/** The query wins, then the clause's parameter, then who asks: people's programs get indented JSON. */
function prettyWanted(ctx: RequestContext, param: string | undefined): boolean {
  if (ctx.rawQuery.includes('pretty')) {
    const value = ctx.query.get('pretty')
    if (value !== null && value !== '') return /^(1|t|true)$/i.test(value)
  }
  if (param !== undefined) return param === '1' || param === 'true'
  return HUMANS.test(ctx.exchange.headers.get('user-agent') ?? '')
}
