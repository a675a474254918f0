/** What is used of @huggingface/tokenizers: its own declarations import without extensions, which Node's resolution refuses. */
declare module '@huggingface/tokenizers' {
  export class Tokenizer {
    /** From the contents of tokenizer.json and tokenizer_config.json. */
    constructor(tokenizer: object, config: object)
    encode(text: string, options?: { add_special_tokens?: boolean }): { readonly ids: number[] }
    decode(ids: readonly number[]): string
    token_to_id(token: string): number | undefined
    get_vocab(withAddedTokens?: boolean): ReadonlyMap<string, number>
  }
}
