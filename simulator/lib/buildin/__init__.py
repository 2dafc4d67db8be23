"""The Build_In way: compile with vamc, serve with llmdeploy or vastgenx."""
