/** Storage keys, byte for byte kube-apiserver's. */
import { badRequest } from '../api/status-error.ts'
import type { Resource } from './resource.ts'

/** With a trailing slash, so that `pods/a` is no prefix of `pods/ab`. */
export function listPrefix(r: Resource, namespace: string): string {
  return r.namespaced && namespace !== '' ? `${r.storagePrefix}/${namespace}/` : `${r.storagePrefix}/`
}

/** @throws StatusError 400 for a missing or impossible name. */
export function keyOf(r: Resource, namespace: string, name: string): string {
  if (r.namespaced && namespace === '') throw badRequest('Namespace parameter required.')
  if (name === '') throw badRequest('Name parameter required.')
  const wrong =
    name === '.' || name === '..'
      ? `may not be '${name}'`
      : /[/%]/.exec(name)
        ? `may not contain '${/[/%]/.exec(name)![0]}'`
        : undefined
  if (wrong !== undefined) throw badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${wrong}`)
  return `${listPrefix(r, namespace)}${name}`
}
