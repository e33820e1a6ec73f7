"""The pages about images that are not imported yet: uploads, folders and archives."""
