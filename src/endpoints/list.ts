/** GET of a collection: cached items joined, a page, a table, or metadata only. */
import { encodeListBody } from './protobuf-list.ts'
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
import { writeBytes, writeObject } from './write-object.ts'

/** Items encoded before the event loop gets a turn. */
const SLICE = 200

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
export function listForm(ctx: RequestContext, scope: Scope): Negotiated {
  const form = negotiate(ctx, scope.forms.offers.list)
  checkTransform(form.as, 'list', scope.resource.kind)
  if (form.as?.kind === 'Table') parseIncludeObject(ctx.query)
  return form
}

export function sendList(ctx: RequestContext, scope: Scope, answer: ListAnswer, form: Negotiated): Promise<void> {
  const { forms, yaml } = scope
  const metadata = listMeta(answer)
  if (form.as) return sendTransformed(ctx, scope, answer, form)
  if (form.encoding === 'json' && !form.pretty) return sendJson(ctx, scope, answer, metadata)
  if (form.encoding === 'protobuf') {
    const items = answer.items.map((i) => forms.itemMessage(i))
    return writeBytes(ctx, 200, encodeListBody(forms.version, metadata, items), MEDIA_TYPES.protobuf)
  }
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

const COMMA = 0x2c
const CLOSE = Buffer.from(']}\n')

async function sendJson(ctx: RequestContext, scope: Scope, answer: ListAnswer, metadata: ListMeta): Promise<void> {
  const { listKind, apiVersion } = scope.forms.version
  const head = { kind: listKind, apiVersion, metadata }
  const items: ByteText[] = []
  for (const [i, item] of answer.items.entries()) {
    items.push(scope.forms.itemJson(item))
    if (i % SLICE === SLICE - 1) await nextTurn()
  }
  await writeBytes(ctx, 200, joinList(`${JSON.stringify(head).slice(0, -1)},"items":[`, items), MEDIA_TYPES.json)
}
function joinList(head: string, items: readonly ByteText[]): Uint8Array {
  const length = items.reduce((sum, item) => sum + item.length + 1, 0)
  const bytes = Buffer.allocUnsafe(Buffer.byteLength(head) + length + CLOSE.length)
  let at = bytes.write(head)
  for (const [i, item] of items.entries()) {
    if (i > 0) bytes[at++] = COMMA
    at += bytes.write(item, at, 'latin1')
  }
  at += CLOSE.copy(bytes, at)
  return bytes.subarray(0, at)
}
