/** The environment of the process, as commands are given it. */
export type Environment = Readonly<Record<string, string | undefined>>
