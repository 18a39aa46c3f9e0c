/** GET of a collection: cached items joined, a page, a table, or metadata only. */
import { jsonListBody, protobufListBody, writeListBody } from './list-body.ts'
import type { ListMeta } from '../api/meta.ts'
import type { Handler } from '../http/filter.ts'
import { MEDIA_TYPES, type Negotiated, negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { ByteText } from '../lib/byte-text.ts'
import { nextTurn } from '../lib/next-turn.ts'
import type { ListAnswer } from '../registry/list-reader.ts'
import { parseListOptions } from './list-options.ts'
import { predicateOf } from './predicate.ts'
import type { Scope } from './scope.ts'
import { parseIncludeObject, toTable } from './table.ts'
import { PARTIAL_LIST_MESSAGE, checkTransform, partialMetadataList, transformVersion } from './transforms.ts'
import { writeObject } from './write-object.ts'

/** Items encoded, and their bytes, before the event loop gets a turn. */
const SLICE = 200
const SLICE_BYTES = 1024 * 1024

export function listHandler(scope: Scope): Handler {
  return async (ctx) => {
    const form = listForm(ctx, scope)
    const options = parseListOptions(ctx, scope.resource, false)
    const answer = await scope.reader.list({
      namespace: ctx.info.namespace,
      matches: predicateOf(options, ctx.info.name),
      resourceVersion: options.resourceVersion,
      resourceVersionMatch: options.resourceVersionMatch,
      limit: options.limit,
      continue: options.continue,
    })
    await sendList(ctx, scope, answer, form)
  }
}

/** In which form a list is asked for. @throws StatusError 400, 406 where there is none. */
export function listForm(ctx: RequestContext, scope: Scope, offer = scope.forms.offers.list): Negotiated {
  const form = negotiate(ctx, offer)
  checkTransform(form.as, 'list', scope.resource.kind)
  if (form.as?.kind === 'Table') parseIncludeObject(ctx.query)
  return form
}

export function sendList(ctx: RequestContext, scope: Scope, answer: ListAnswer, form: Negotiated): Promise<void> {
  const { forms, yaml } = scope
  const metadata = listMeta(answer)
  if (form.as) return sendTransformed(ctx, scope, answer, form)
  if (form.encoding === 'protobuf' || (form.encoding === 'json' && !form.pretty))
    return sendJoined(ctx, scope, answer, form.encoding)
  const { listKind, apiVersion } = forms.version
  const list = { kind: listKind, apiVersion, metadata, items: answer.items.map((i) => forms.view(i.object)) }
  return writeObject(ctx, 200, list, form, { yaml })
}

function sendTransformed(ctx: RequestContext, scope: Scope, answer: ListAnswer, form: Negotiated): Promise<void> {
  const { forms, yaml } = scope
  const objects = answer.items.map((i) => i.object)
  const apiVersion = transformVersion(form.as!)
  const metadata = listMeta(answer)
  if (form.as!.kind === 'PartialObjectMetadataList') {
    return writeObject(ctx, 200, partialMetadataList(objects, metadata, apiVersion), form, {
      yaml,
      message: PARTIAL_LIST_MESSAGE,
    })
  }
  const table = toTable(objects, metadata, {
    columns: scope.columns,
    include: parseIncludeObject(ctx.query),
    apiVersion,
    typed: (object) => forms.typed(object),
    now: scope.clock.now(),
  })
  return writeObject(ctx, 200, table, form, { yaml })
}

function listMeta(answer: ListAnswer): ListMeta {
  return {
    resourceVersion: String(answer.revision),
    ...(answer.continue === '' ? {} : { continue: answer.continue }),
    ...(answer.remaining === undefined || answer.remaining === 0 ? {} : { remainingItemCount: answer.remaining }),
  }
}

/** Joined from items that are encoded once for all lists. */
async function sendJoined(
  ctx: RequestContext,
  { forms }: Scope,
  answer: ListAnswer,
  encoding: 'json' | 'protobuf',
): Promise<void> {
  const items: ByteText[] = []
  let bytes = 0
  for (const item of answer.items) {
    const encoded = encoding === 'json' ? forms.itemJson(item) : forms.itemMessage(item)
    bytes += encoded.length
    if (items.push(encoded) % SLICE !== 0 && bytes < SLICE_BYTES) continue
    bytes = 0
    await nextTurn()
  }
  const join = encoding === 'json' ? jsonListBody : protobufListBody
  await writeListBody(ctx, join(forms.version, listMeta(answer), items), MEDIA_TYPES[encoding])
}
