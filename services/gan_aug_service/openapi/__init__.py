"""The REST interface as the OpenAPI document describes it: bodies, answers, problems, examples."""
