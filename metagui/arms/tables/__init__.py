"""What lies on the table: records of one to ten objects, their files, and where the objects lie."""
