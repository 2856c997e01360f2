"""One client for every server of language models: TGI, vLLM, SGLang, llama.cpp, OpenAI and what speaks like it.

``client`` asks, ``structured`` fills a pydantic model, ``dialects`` holds what differs between servers, ``transport``
sends, ``probe`` finds out what a server can do, ``cache`` keeps every answer and its price, ``limits`` holds back.
"""
