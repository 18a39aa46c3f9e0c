import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtobufReader } from '../../api/codec/protobuf-wire.ts'
import { OpenApiProtobuf } from './document-protobuf.ts'

/** The length-delimited fields of a message, by number. */
function fields(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const reader = new ProtobufReader(bytes)
  const found = new Map<number, Uint8Array[]>()
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (wire !== 2) reader.skip(wire)
    else found.set(number, [...(found.get(number) ?? []), reader.bytes()])
  }
  return found
}
/** Follows field numbers down; the first value of each. */
function at(bytes: Uint8Array, ...numbers: number[]): Uint8Array {
  return numbers.reduce((b, n) => fields(b).get(n)![0]!, bytes)
}
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

test('OpenApiProtobuf 2: paths, parameters, references and extensions land in gnostic fields', () => {
  const bytes = new OpenApiProtobuf(2).encode({
    swagger: '2.0',
    info: { title: 't', version: 'v' },
    paths: {
      '/a': {
        get: {
          operationId: 'x',
          parameters: [{ name: 'dryRun', in: 'query', type: 'string' }],
          responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/A' } } },
        },
      },
    },
    definitions: { A: { type: 'object', additionalProperties: { type: 'string' }, 'x-kubernetes-list-type': 'set' } },
  })
  assert.equal(text(at(bytes, 1)), '2.0')
  const operation = at(bytes, 8, 2, 2, 2)
  assert.equal(text(at(operation, 5)), 'x')
  assert.equal(text(at(operation, 8, 1, 2, 3, 4)), 'dryRun')
  assert.equal(text(at(operation, 9, 1, 1)), '200')
  assert.equal(text(at(operation, 9, 1, 2, 1, 2, 1, 1)), '#/definitions/A')
  const schema = at(bytes, 9, 1, 2)
  assert.equal(text(at(schema, 22, 1)), 'object')
  assert.equal(text(at(schema, 21, 1, 22, 1)), 'string')
  assert.equal(text(at(schema, 31, 1)), 'x-kubernetes-list-type')
  assert.equal(text(at(schema, 31, 2, 2)), '"set"\n')
})

test('OpenApiProtobuf 3: schemas stand in components, references beside them', () => {
  const bytes = new OpenApiProtobuf(3).encode({
    openapi: '3.0.0',
    info: { title: 't', version: 'v' },
    paths: {
      '/a': {
        get: {
          operationId: 'x',
          responses: {
            default: { description: 'd' },
            200: { description: 'OK', content: { 'application/json': { schema: { $ref: '#/components/schemas/A' } } } },
          },
        },
      },
    },
    components: {
      schemas: {
        A: {
          type: 'object',
          properties: {
            b: { allOf: [{ $ref: '#/components/schemas/A' }], default: {} },
            c: { type: 'string', default: 'TCP' },
          },
        },
      },
    },
  })
  const operation = at(bytes, 4, 1, 2, 4)
  assert.equal(text(at(operation, 8, 1, 1, 1)), 'd')
  assert.equal(text(at(operation, 8, 2, 2, 1, 3, 1, 2, 1, 2, 1)), '#/components/schemas/A')
  const properties = fields(at(bytes, 5, 1, 1, 2, 1, 31)).get(1)!
  assert.deepEqual(
    properties.map((p) => text(at(p, 1))),
    ['b', 'c'],
  )
  assert.equal(text(at(properties[1]!, 2, 1, 33, 3)), 'TCP')
})
