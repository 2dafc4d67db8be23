"""Contents of pages, from rows: view models without a request.
Here: reading only, for one person where rights matter; used by pages, API and commands.
Not here: changes (`actions`), single words and numbers (`text`), queries (`jobs.queries`).
"""
