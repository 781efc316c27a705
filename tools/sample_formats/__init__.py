"""Writers of the sample documents' binary formats, with the standard library alone.

They exist so that the committed files can be made again, byte for byte, on any machine: no time stamps, no
compression whose output depends on a library's version, no fonts to install.
"""
