import { ClipboardCopyButton, CodeBlock, CodeBlockAction, CodeBlockCode, Content, Title } from '@patternfly/react-core';
import { useState } from 'react';
import { type ClientSnippet, clientSnippets, type SnippetFacts } from './client-snippets.js';

/** How clients are set up to pull through the organization, ready to be copied. */
export function ClientSetup(facts: SnippetFacts) {
  return (
    <div data-testid="client-setup">
      {clientSnippets(facts).map((snippet) => (
        <Snippet key={snippet.id} {...snippet} />
      ))}
    </div>
  );
}

function Snippet({ id, title, place, text, note }: ClientSnippet) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    // Browsers forbid it on pages that came by http from elsewhere; the text can still be marked and copied.
    navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <section aria-labelledby={`snippet-${id}-title`} style={{ marginBlockEnd: 'var(--pf-t--global--spacer--lg)' }}>
      <Title headingLevel="h2" size="md" id={`snippet-${id}-title`}>
        {title}
      </Title>
      <Content component="small">{place}</Content>
      <CodeBlock
        actions={
          <CodeBlockAction>
            <ClipboardCopyButton
              id={`copy-${id}`}
              aria-label={`Copy what ${title} needs`}
              variant="plain"
              exitDelay={1_000}
              onClick={copy}
              onTooltipHidden={() => setCopied(false)}
            >
              {copied ? 'Copied' : 'Copy'}
            </ClipboardCopyButton>
          </CodeBlockAction>
        }
      >
        <CodeBlockCode data-testid={`snippet-${id}`}>{text}</CodeBlockCode>
      </CodeBlock>
      {note === undefined ? null : <Content component="small">{note}</Content>}
    </section>
  );
}
