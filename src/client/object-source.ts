/**
 * Where an informer's objects come from. Two things give them: reflector.ts asks a server over a Transport, and
 * registry/local-source.ts reads a watch cache of this process. The informer does not know which.
 */

/** Takes what a source gives. Called synchronously. Objects are shared: they are read and never changed. */
export interface ObjectSink<T> {
  /** The whole state. An object that is not in it is gone. */
  replace(items: readonly T[]): void
  /** @param object of DELETED: the last state, with the revision of the deletion. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void
}
export interface ObjectSource<T> {
  /** Gives the whole state first, then each change. Resolves once the signal is aborted or nothing more can come; never rejects. */
  run(sink: ObjectSink<T>, signal: AbortSignal): Promise<void>
}
/** Which objects of a resource: all, those of a namespace, or the one of a name. */
export interface ObjectRange {
  readonly namespace?: string
  readonly name?: string
}
