import {
  Alert,
  ClipboardCopyButton,
  CodeBlock,
  CodeBlockAction,
  CodeBlockCode,
  Content,
  Title,
} from '@patternfly/react-core';
import { useState } from 'react';
import { type ClientSnippet, clientSnippets, type SnippetFacts } from './client-snippets.js';

/** How clients are set up to pull through the organization, ready to be copied. */
export function ClientSetup(facts: SnippetFacts) {
  return (
    <div data-testid="client-setup">
      {facts.anonymousPull ? null : <SignInAlert {...facts} />}
      {clientSnippets(facts).map((snippet) => (
        <Snippet key={snippet.id} {...snippet} />
      ))}
    </div>
  );
}

/** A client that is refused goes to the upstream, where nobody sees that the cache does nothing for it. */
function SignInAlert({ upstream }: SnippetFacts) {
  return (
    <Alert
      component="p"
      isInline
      variant="warning"
      title="Pulls need signing in here"
      data-testid="clients-sign-in"
      style={{ marginBlockEnd: 'var(--pf-t--global--spacer--lg)' }}
    >
      A client without credentials is refused, and most then pull from {upstream} itself without a word, so that nothing
      shields them. Set up each with credentials as below, pull once, and see the image appear under Cached images.
    </Alert>
  );
}

function Snippet({ id, title, place, text, note }: ClientSnippet) {
  return (
    <section aria-labelledby={`snippet-${id}-title`} style={{ marginBlockEnd: 'var(--pf-t--global--spacer--lg)' }}>
      <Title headingLevel="h2" size="md" id={`snippet-${id}-title`}>
        {title}
      </Title>
      {text === undefined ? null : (
        <>
          <Content component="small">{place}</Content>
          <Copyable id={id} title={title} text={text} />
        </>
      )}
      {note === undefined ? null : (
        <Content component="small" data-testid={`note-${id}`}>
          {note}
        </Content>
      )}
    </section>
  );
}

interface CopyableProps {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

function Copyable({ id, title, text }: CopyableProps) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    // Browsers forbid it on pages that came by http from elsewhere; the text can still be marked and copied.
    navigator.clipboard?.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
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
  );
}
